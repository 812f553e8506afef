"""Declared contrasts of a planted study: the test, Holm's correction by hand, the answers."""

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


def test_a_candidate_without_numbers_might_have_been_the_strongest(tmp_path):
    """`single_level` is the strongest of two; without its records nothing is compared."""
    study = plant_contrasts(tmp_path)
    for path in tmp_path.glob("runs/r3d18/coupled/**/evaluate.json"):
        path.unlink()
    results = read_results(study)
    results.study["contrasts"][0]["against"] = ["single_level", "coupled"]
    found = answers(Outcomes(results))
    assert [one.verdict for one in found] == ["missing", "missing"]
    assert "no record: " in found[0].found.missing and "coupled" in found[0].found.missing
    text = contrasts_table(results, found).text
    assert text.against[0] == "single_level, coupled" and text["Δ"][0].startswith("missing [1]")


def test_the_strongest_is_so_on_the_seeds_that_all_have(tmp_path):
    """`coupled` is above `single_level`, but not on what is left of it: seed 1."""
    study = plant_contrasts(tmp_path)
    for seed in (0, 2, 3, 4):
        for path in tmp_path.glob(f"runs/r3d18/coupled/seed{seed}/**/evaluate.json"):
            path.unlink()
    results = read_results(study)
    for path, record in results.records.items():
        if "/single_level/seed1/" in path and path.endswith("evaluate.json"):
            for scores in record["metrics"]["linear"]["layer4"].values():
                if "accuracy" in scores:
                    scores["accuracy"] += 0.1
    assert answers(Outcomes(results))[1].against == "single_level"
    table = contrasts_table(results, answers(Outcomes(results)))
    assert table.text.n[1] == "5 seeds"


def test_the_contrasts_are_marked_where_a_leak_flatters_them(outcomes):
    for path, record in outcomes.results.records.items():
        if "/single_level/" in path and path.endswith("evaluate.json"):
            record["protocol"] |= {"pretrained_on_test_videos": 7, "data": "synthetic"}
    table = contrasts_table(outcomes.results, answers(outcomes))
    assert table.text.against.tolist() == ["single_level [1]", "coupled (strongest of 2)"]
    assert table.notes[0].startswith("pretrained on 7 of the 50 test videos")


def test_without_an_interval_over_videos_one_cannot_tell(outcomes, tmp_path):
    """As where each split tests one group, such as a person."""
    for path in tmp_path.glob("runs/**/outcomes.csv"):
        pd.read_csv(path).assign(group="one").to_csv(path, index=False)
    assert answers(outcomes)[0].verdict == "cannot tell: no interval over test videos"


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
    assert "p" not in text["Δ shape"]["single_level"]
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


@pytest.mark.parametrize("known", [{"pretrain": {"labels": True}}, {"encoder": "a.safetensors"}])
def test_runs_that_know_more_are_not_the_best(tmp_path, known):
    """The best of three learned labels or comes from elsewhere: the second is in bold."""

    def apart(ablation, seed, split):
        height = {"hdc": 0.7, "coupled": 0.4, "single_level": 0.1}[ablation]
        return height + 0.02 * {"hdc": seed % 2, "coupled": seed, "single_level": 0}[ablation]

    runs = ("hdc", "single_level", "coupled")
    study = plant(tmp_path, seeds=tuple(range(5)), ablations=runs, shares=apart)
    assert {row for row, _ in ablation_table(Outcomes(read_results(study)), []).bold} == {0}
    results = read_results(study)
    for path, record in results.records.items():
        if "/hdc/" in path and path.endswith("pretrain.json"):
            record["settings"] |= known
    assert {row for row, _ in ablation_table(Outcomes(results), []).bold} == {2}


def test_nothing_is_bold_where_a_run_might_have_been_better(tmp_path):
    def apart(ablation, seed, split):
        return {"hdc": 0.7, "single_level": 0.3, "coupled": 0.2}[ablation] + 0.02 * (
            seed * (ablation == "hdc")
        )

    runs = ("hdc", "single_level", "coupled")
    study = plant(tmp_path, seeds=tuple(range(5)), ablations=runs, shares=apart)
    assert ablation_table(Outcomes(read_results(study)), []).bold
    for path in tmp_path.glob("runs/r3d18/coupled/**/evaluate.json"):
        path.unlink()
    bold = ablation_table(Outcomes(read_results(study)), []).bold
    assert {name for _, name in bold} == {"top-1 (%)"}
