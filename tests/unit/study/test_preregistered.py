import pytest

from hdc.runtime.errors import InputError
from hdc.study.preregistered import Comparison, read_comparison

RUNS = {"r3d18": ["hdc", "coupled", "single_level"], "c3d": ["hdc", "coupled"]}
WHOLE = {"question": "Why?", "run": "hdc", "against": "coupled", "measure": "linear_motion"}


def read(**changes):
    return read_comparison(WHOLE | changes, runs=RUNS, data_sets=["synthetic", "ucf101"])


def test_backbone_and_data_set_are_the_first_ones_unless_named():
    expected = Comparison("Why?", "hdc", ("coupled",), ("linear_motion",), "r3d18", "synthetic")
    assert read() == expected
    assert read(backbone="c3d", data="ucf101").backbone == "c3d"


def test_several_runs_and_measures():
    found = read(against=["coupled", "single_level"], measure=["top1", "r5"])
    assert found.against == ("coupled", "single_level") and found.measure == ("top1", "r5")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run": "hcd"}, "comparisons: run: expected one of hdc, coupled, single_level, got hcd"),
        (
            {"against": "hdc"},
            "comparisons: against: expected one of coupled, single_level, got hdc",
        ),
        ({"against": ["coupled", "single_level"], "backbone": "c3d"}, "got single_level"),
        ({"backbone": "r2plus1d10"}, "comparisons: backbone: expected one of r3d18, c3d"),
        ({"data": "hmdb51"}, "comparisons: data: expected one of synthetic, ucf101, got hmdb51"),
        ({"measure": ["top1", "top_5"]}, "comparisons: measure: expected some of top1, r<k>"),
    ],
)
def test_what_the_study_does_not_have_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        read(**changes)
