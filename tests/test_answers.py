"""Declared contrasts of a planted study: the test, Holm's correction by hand, the answers."""

import json

import numpy as np
import pandas as pd
import pytest
from planted_contrasts import CONTRASTS, SHARES, plant_contrasts
from planted_study import plant
from scipy import stats

from hdc.ablation_table import ablation_table
from hdc.answers import answers
from hdc.contrasts_table import contrasts_table
from hdc.outcomes import Outcomes
from hdc.results import read_results


@pytest.fixture
def outcomes(tmp_path):
    return Outcomes(read_results(plant_contrasts(tmp_path)))


def p_of(first, second):
    return stats.ttest_1samp(np.subtract(SHARES[first], SHARES[second]), 0).pvalue


def test_p_is_corrected_over_all_declared_contrasts(outcomes):
    found = answers(outcomes)
    strong, weak = p_of("hdc", "single_level"), p_of("hdc", "coupled")
    assert strong < 0.025 and weak > 0.05  # by hand: Holm doubles the smaller only
    assert found[0].p_holm == pytest.approx(2 * strong)
    assert found[1].p_holm == pytest.approx(weak)
    assert [one.verdict for one in found] == ["better", "cannot tell"]


def test_the_strongest_of_several_is_compared(outcomes):
    assert [one.against for one in answers(outcomes)] == ["single_level", "coupled"]


def test_the_interval_over_videos_has_a_say(outcomes, tmp_path):
    """The same shares from videos that hardly overlap: other videos might say otherwise."""
    for path in tmp_path.glob("runs/r3d18/hdc/**/outcomes.csv"):
        table = pd.read_csv(path)
        columns = [name for name in table if name.startswith("linear_")]
        table[columns] = table[columns].to_numpy()[::-1]
        table.to_csv(path, index=False)
    assert answers(outcomes)[0].verdict == "cannot tell: other test videos might say otherwise"


def test_too_few_seeds_are_not_tested(tmp_path):
    study = plant(tmp_path, ablations=("hdc", "single_level"), contrasts=CONTRASTS[:1])
    found = answers(Outcomes(read_results(study)))[0]
    assert found.p_holm is None and found.verdict == "cannot tell: fewer than 5 seeds"


def test_a_contrast_without_records_is_missing_and_stays_in_the_family(outcomes, tmp_path):
    for path in tmp_path.glob("runs/r3d18/coupled/**/evaluate.json"):
        path.unlink()
    outcomes = Outcomes(read_results(tmp_path / "study.json"))
    study = outcomes.results.study
    study["contrasts"][1]["against"] = ["coupled"]
    table = contrasts_table(outcomes.results, answers(outcomes))
    assert table.numbers.p_holm[0] == pytest.approx(2 * p_of("hdc", "single_level"))
    assert table.text["Δ"][1] == "missing [1]" and table.notes[0].startswith("no record: ")
    assert table.text.answer[1] == "missing"


def test_a_factor_that_no_record_has_is_missing(outcomes):
    outcomes.results.study["contrasts"][0]["measure"] = ["linear_weight"]
    found = answers(outcomes)[0]
    assert found.verdict == "missing" and "found linear_weight" in found.found.missing


def test_the_ablation_table_has_the_declared_p_and_no_other(outcomes):
    table = ablation_table(outcomes, answers(outcomes))
    text, numbers = table.text.set_index("run"), table.numbers.set_index("ablation")
    assert text["Δ motion"]["single_level"].endswith(", p 0.026")
    assert "p" not in text["Δ shape"]["single_level"].replace("p 0.026", "")
    holm = numbers.loc["single_level", "linear_motion_difference_p_holm"]
    assert holm == pytest.approx(2 * p_of("hdc", "single_level"))
    columns = [name for name in numbers if name.endswith("_p_holm")]
    assert numbers[columns].notna().sum().sum() == 1


def test_bold_is_only_what_is_better_beyond_doubt(tmp_path):
    def apart(ablation, seed, split):
        """Far above the other run, with seeds that vary a little."""
        return {"hdc": 0.7, "single_level": 0.3}[ablation] + 0.02 * (seed * (ablation == "hdc"))

    runs = {"ablations": ("hdc", "single_level"), "shares": apart}
    clear = plant(tmp_path, seeds=tuple(range(5)), **runs)
    table = ablation_table(Outcomes(read_results(clear)), [])
    assert table.bold == {(0, name) for name in ("top-1 (%)", "shape (%)", "motion (%)")}
    assert "**76.0 ± 3.2**" in table.markdown()
    assert r"\textbf{76.0 \(\pm\) 3.2}" in table.latex()
    few = plant(tmp_path, seeds=tuple(range(4)), **runs)
    assert not ablation_table(Outcomes(read_results(few)), []).bold


def test_runs_with_labels_are_not_the_best(outcomes, tmp_path):
    for path in tmp_path.glob("runs/r3d18/hdc/seed*/*/pretrain.json"):
        record = json.loads(path.read_text())
        record["settings"]["pretrain"]["labels"] = True
        path.write_text(json.dumps(record))
    table = ablation_table(Outcomes(read_results(tmp_path / "study.json")), [])
    assert all(row != 0 for row, _ in table.bold)
