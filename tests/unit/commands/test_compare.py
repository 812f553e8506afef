import json
import re

import pytest
from planted_study import plant

from hdc.commands.compare import compare
from hdc.runtime.errors import InputError

SEEDS = tuple(range(5))
GAINS = (0.02, 0.06, 0.04, 0.02, 0.06)  # of the second study, by seed; their mean is 0.04


def shares(ablation, seed, split):
    return (0.5 if ablation == "hdc" else 0.3) + 0.02 * seed


def more(ablation, seed, split):
    return shares(ablation, seed, split) + GAINS[seed] * (ablation == "hdc")


@pytest.fixture
def pair(tmp_path):
    plant(tmp_path / "a", seeds=SEEDS, shares=shares)
    plant(tmp_path / "b", seeds=SEEDS, shares=more, ablations=("hdc", "random_init", "other"))
    for path in (tmp_path / "b").glob("runs/r3d18/hdc/**/finetune.json"):
        record = json.loads(path.read_text())
        record["settings"]["pretrain"]["epochs"] = 40
        path.write_text(json.dumps(record))
    return tmp_path / "a", tmp_path / "b"


def test_numbers_with_paired_statistics(pair):
    found = json.loads(compare(*pair, as_json=True))
    rows = {(row["ablation"], row["measure"]): row for row in found["numbers"]}
    motion = rows["hdc", "linear_motion"]
    assert motion["first"] == pytest.approx(0.5 + 0.04 + 0.04)
    assert motion["difference"]["mean"] == pytest.approx(0.04)
    assert motion["difference"]["p"] == pytest.approx(0.0111, abs=1e-4)  # t = 0.04/(0.02/5**.5)
    assert motion["two_way"]["low"] < 0.04 < motion["two_way"]["high"]
    same = rows["random_init", "linear_motion"]["difference"]
    assert same["mean"] == pytest.approx(0) and same["p"] is None
    assert rows["hdc", "r1"]["two_way"] is None  # no outcome by video was planted


def test_settings_and_runs(pair):
    found = json.loads(compare(*pair, as_json=True))
    assert found["only_in_first"] == [] and found["only_in_second"] == ["other (r3d18, synthetic)"]
    assert found["settings"] == [
        {"key": "finetune: pretrain.epochs", "first": "20", "second": "40",
         "runs": ["hdc (r3d18, synthetic)"]}
    ]  # fmt: skip


def test_the_text_says_the_same(pair):
    text = compare(*pair)
    assert "  finetune: pretrain.epochs: 20 -> 40 (hdc (r3d18, synthetic))" in text
    line = next(line for line in text.splitlines() if "motion (%)" in line)
    assert re.sub(" +", " ", line).startswith(
        "hdc (r3d18, synthetic) motion (%) 58.0 62.0 +4.0 [+1.5, +6.5] ["
    )
    assert line.endswith("p 0.011  5 seeds")
    assert "only in the second: other" in text and "not corrected" in text


def test_a_study_is_equal_to_itself(pair):
    text = compare(pair[0], pair[0])
    assert "settings: the same" in text and "+0.0" in text and "only in" not in text


def test_what_is_no_study_is_refused(pair, tmp_path):
    with pytest.raises(InputError, match=r"none: expected the folder of a study, with study.json"):
        compare(pair[0], tmp_path / "none")


def test_studies_without_a_common_run_are_refused(pair, tmp_path):
    plant(tmp_path / "c", data_sets=("ucf101",))
    with pytest.raises(InputError, match="expected a run that both have, found none"):
        compare(pair[0], tmp_path / "c")
