"""What runs lose that were pretrained elsewhere, against two planted studies."""

import json

import pytest
from planted_study import plant, score

from hdc.analysis.results import read_results
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.tables.transfer import NONE, transfer_table

SETS = ("ucf101", "hmdb51")


def table_of(path):
    return transfer_table(Outcomes(read_results(path)))


def pretrained_on(path, name):
    """Say that every run of a study was pretrained on a data set."""
    study = json.loads(path.read_text())
    for evaluation in study["evaluations"]:
        evaluation["pretrained_on"] = name
    path.write_text(json.dumps(study))
    return path


@pytest.fixture
def away(tmp_path):
    """Pretrained on Kinetics-400; at home hdc has 0.04 more on both data sets."""

    def make(**more):
        plant(tmp_path / "home", data_sets=SETS, shares=lambda *run: score(*run) + 0.04)
        study = plant(tmp_path / "planted", data_sets=SETS, **more)
        return pretrained_on(study, "kinetics400")

    return make


def test_a_study_at_home_transfers_nothing(tmp_path):
    table = table_of(plant(tmp_path))
    assert (table.caption, len(table.text), len(table.numbers)) == (NONE, 0, 0)
    assert NONE in table.markdown()


def test_one_column_a_data_set_and_what_home_has_more(away):
    table = table_of(away(home_studies=["home"]))
    assert table.text.columns.tolist() == [
        "run", "ucf101 top-1 (%)", "Δ ucf101 top-1", "ucf101 linear (%)", "Δ ucf101 linear",
        "hmdb51 top-1 (%)", "Δ hmdb51 top-1", "hmdb51 linear (%)", "Δ hmdb51 linear", "n",
    ]  # fmt: skip
    row = table.numbers.iloc[0]
    assert row.hmdb51_top1 == pytest.approx(0.56)
    assert row.hmdb51_top1_less_home == pytest.approx(-0.04)
    assert row.ucf101_linear_less_home == pytest.approx(-0.04)
    assert table.text["Δ hmdb51 top-1"][0].startswith("-4.0")
    assert "Pretrained on kinetics400." in table.caption and "the study planted" in table.caption


@pytest.mark.parametrize("more", [{}, {"home_studies": ["elsewhere"]}, {"scale": "paper"}])
def test_without_a_like_study_there_is_no_difference(away, more):
    more = {"home_studies": ["home"]} | more if more else more
    table = table_of(away(**more))
    assert not [column for column in table.text if "Δ" in column]
    assert table.numbers.hmdb51_top1.iloc[0] == pytest.approx(0.56)


def test_what_was_pretrained_on_a_data_set_is_no_transfer_to_it(tmp_path):
    study = pretrained_on(plant(tmp_path, data_sets=SETS), "ucf101-split1")
    assert [column for column in table_of(study).text if "top-1" in column] == ["hmdb51 top-1 (%)"]
