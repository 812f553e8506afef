"""Declared comparisons of a planted study: the test, Holm's correction by hand, the answers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planted_comparisons import COMPARISONS, SHARES, plant_comparisons
from planted_study import plant
from scipy import stats

from hdc.analysis.bootstrap import BootstrapDifference
from hdc.analysis.results import read_results
from hdc.analysis.run_differences import Difference
from hdc.analysis.seed_statistics import ALPHA, paired
from hdc.analysis.verdicts import Answer, answers, hardest
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.tables.ablation import ablation_table
from hdc.reporting.tables.preregistered import preregistered_table


@pytest.fixture
def outcomes(tmp_path):
    return Outcomes(read_results(plant_comparisons(tmp_path)))


def p_of(first, second):
    return stats.ttest_1samp(np.subtract(SHARES[first], SHARES[second]), 0).pvalue


def test_p_is_corrected_over_all_declared_comparisons(outcomes):
    found = answers(outcomes)
    strong, weak = p_of("hdc", "single_level"), p_of("hdc", "coupled")
    assert strong < 0.025 and weak > 0.05  # by hand: Holm doubles the smaller only
    assert found[0].p_holm == pytest.approx(2 * strong)
    assert found[1].p_holm == pytest.approx(weak)
    assert [one.verdict for one in found] == ["better", "cannot tell"]


def test_the_hardest_of_several_is_compared(outcomes):
    assert [one.against for one in answers(outcomes)] == ["single_level", "coupled"]


def test_a_candidate_without_numbers_might_have_been_the_strongest(tmp_path):
    """`single_level` is the strongest of two; without its records nothing is compared."""
    study = plant_comparisons(tmp_path)
    for path in tmp_path.glob("runs/r3d18/coupled/**/evaluate.json"):
        path.unlink()
    results = read_results(study)
    results.study["comparisons"][0]["against"] = ["single_level", "coupled"]
    found = answers(Outcomes(results))
    assert [one.verdict for one in found] == ["missing", "missing"]
    assert "no record: " in found[0].found.missing and "coupled" in found[0].found.missing
    text = preregistered_table(results, found).text
    assert text.against[0] == "single_level, coupled" and text["Δ"][0].startswith("missing [1]")


def test_a_row_of_one_seed_might_be_the_strongest(tmp_path):
    study = plant_comparisons(tmp_path)
    for seed in (0, 2, 3, 4):
        for path in tmp_path.glob(f"runs/r3d18/coupled/seed{seed}/**/evaluate.json"):
            path.unlink()
    results = read_results(study)
    found = answers(Outcomes(results))[1]
    assert found.against == "coupled" and found.verdict == "cannot tell: fewer than 5 seeds"
    assert preregistered_table(results, [found]).text.n[0] == "1 seed"


NOISE = np.array([-2, -1, 0, 1, 2])  # over seeds, of mean 0


def less(*values):
    """The difference of a run and a row by seed, without outcomes by video."""
    return Difference(paired(dict(enumerate(values)), dict.fromkeys(range(5), 0.0)), None, None, "")


def test_better_than_the_strongest_is_better_than_each():
    """The row of the lower mean is the noisier: the run is above it by chance, maybe."""
    rows = {"strongest": less(*(0.1 + 0.01 * NOISE)), "noisy": less(*(0.2 + 0.2 * NOISE))}
    name, p = hardest(rows)
    assert rows["strongest"].paired.p < 0.01 and name == "noisy"
    assert p == rows["noisy"].paired.p > 0.2
    del rows["noisy"]
    assert hardest(rows) == ("strongest", rows["strongest"].paired.p)


def test_worse_than_the_strongest_pays_for_having_looked_at_all():
    rows = {"below": less(*(0.3 + 0.01 * NOISE)), "above": less(*(-0.1 + 0.05 * NOISE)),
            "noisy": less(*(-0.2 + 0.2 * NOISE))}  # fmt: skip
    assert hardest(rows) == ("above", pytest.approx(3 * rows["above"].paired.p))
    assert hardest({"noisy": less(*(-0.01 + NOISE)), "below": rows["below"]})[1] == 1


def test_a_row_without_p_lets_nothing_be_better_and_does_not_hide_a_better_one():
    """Equal differences have no p."""
    rows = {"clear": less(*(0.1 + 0.01 * NOISE)), "unknown": less(*[0.5] * 5)}
    assert hardest(rows) == ("unknown", None)
    rows = {"unknown": less(*[-0.5] * 5), "above": less(*(-0.1 + 0.01 * NOISE))}
    assert hardest(rows) == ("above", pytest.approx(2 * rows["above"].paired.p))


def test_luck_among_equal_rows_is_seldom_called_worse():
    """Eight rows as good as the run: the best of them by mean is beyond p 0.05 too often."""
    draws = np.random.default_rng(0).normal(size=(300, 8, 5))
    trials = [{str(row): less(*values) for row, values in enumerate(one)} for one in draws]
    lucky = [min(rows.values(), key=lambda one: one.paired.mean).paired.p for rows in trials]
    assert np.mean(np.array(lucky) < ALPHA) > 0.1
    assert np.mean([hardest(rows)[1] < ALPHA for rows in trials]) < ALPHA


def test_the_interval_over_videos_must_leave_out_zero_against_every_row(outcomes):
    """p is beyond doubt against both rows, and other videos might lift one of them."""
    clear, doubtful = (
        BootstrapDifference(0.1, low, 0.2, seeds=5, videos=50, groups=50, resamples=10)
        for low in (0.05, -0.01)
    )
    sure = replace(less(*(0.1 + 0.01 * NOISE)), two_way=clear)
    rows = {"first": sure, "second": replace(sure, two_way=doubtful)}
    comparison = answers(outcomes)[1].comparison
    answer = Answer(comparison, [], rows, "first", 0.01, 0.01)
    expected = "cannot tell: other test videos might say otherwise"
    assert answer.verdict == f"{expected} (against second)"
    assert replace(answer, against="second").verdict == expected
    assert replace(answer, rows={"first": sure, "second": sure}).verdict == "better"


def test_the_comparisons_are_marked_where_a_leak_flatters_them(outcomes):
    for path, record in outcomes.results.records.items():
        if "/single_level/" in path and path.endswith("evaluate.json"):
            record["protocol"] |= {"pretrained_on_test_videos": 7, "data": "synthetic"}
    table = preregistered_table(outcomes.results, answers(outcomes))
    assert table.text.against.tolist() == ["single_level [1]", "coupled (hardest of 2)"]
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
    study = plant(tmp_path, ablations=("hdc", "single_level"), comparisons=COMPARISONS[:1])
    found = answers(Outcomes(read_results(study)))[0]
    assert found.p_holm is None and found.verdict == "cannot tell: fewer than 5 seeds"


def test_a_comparison_without_records_is_missing_and_stays_in_the_family(outcomes, tmp_path):
    for path in tmp_path.glob("runs/r3d18/coupled/**/evaluate.json"):
        path.unlink()
    outcomes = Outcomes(read_results(tmp_path / "study.json"))
    study = outcomes.results.study
    study["comparisons"][1]["against"] = ["coupled"]
    table = preregistered_table(outcomes.results, answers(outcomes))
    assert table.numbers.p_holm[0] == pytest.approx(2 * p_of("hdc", "single_level"))
    assert table.text["Δ"][1] == "missing [1]" and table.notes[0].startswith("no record: ")
    assert table.text.answer[1] == "missing"


def test_a_factor_that_no_record_has_is_missing(outcomes):
    outcomes.results.study["comparisons"][0]["measure"] = ["linear_weight"]
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
