"""Tables of planted records: `planted_study.score` says what they must average to."""

import json

import pandas as pd
import pytest
from planted_study import NAMED, plant
from scipy import stats

from hdc.analysis.results import read_results
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.tables.ablation import ablation_table
from hdc.reporting.tables.all import (
    all_tables,
    cost_table,
    factors_table,
    finetune_table,
    probes_table,
    retrieval_table,
)
from hdc.runtime.errors import InputError


@pytest.fixture
def study(tmp_path):
    return plant(tmp_path)


def row(table, ablation, **where):
    numbers = table.numbers[table.numbers.ablation == ablation]
    for column, value in where.items():
        numbers = numbers[numbers[column] == value]
    assert len(numbers) == 1
    return numbers.iloc[0]


def test_splits_are_averaged_inside_a_seed_and_seeds_make_the_spread(study):
    """hdc: seeds 0 and 1 have (0.50 + 0.52) / 2 and (0.60 + 0.62) / 2."""
    found = row(finetune_table(read_results(study)), "hdc")
    assert found.synthetic_top1 == pytest.approx(0.56)
    assert found.synthetic_top1_spread == pytest.approx(0.1 / 2**0.5)
    assert (found.seeds, found.splits, found.missing) == (2, 2, "")


def test_differences_are_taken_seed_by_seed(study):
    table = ablation_table(Outcomes(read_results(study)), [])
    found = row(table, "random_init")
    assert found.top1_difference == pytest.approx(-0.2)
    assert found.top1_difference_spread == pytest.approx(0, abs=1e-12)
    assert pd.isna(row(table, "hdc").top1_difference)
    assert table.text.run.tolist() == ["hdc", "random_init"]
    assert table.text.question.tolist() == ["What of hdc_100%?", "What of random_init_100%?"]


def test_retrieval_and_factors_are_those_of_the_level(study):
    results = read_results(study)
    found = row(retrieval_table(results), "hdc")
    assert found.r1 == pytest.approx(0.56 - 0.2 + 0.008)
    assert found.knn == pytest.approx(0.56)
    factors = factors_table(results)
    assert row(factors, "hdc", level="layer3").label == pytest.approx(0.51)
    assert row(factors, "hdc", level="layer4")["size"] == pytest.approx(0.28)
    assert row(factors, "hdc", level="layer4").motion_chance == pytest.approx(0.25)


def test_cost(study):
    found = row(cost_table(read_results(study)), "hdc")
    assert found.pretrain_seconds == pytest.approx(13.0)
    assert found.parameters == 2_100_000
    assert found.device == "cpu (AMD EPYC, 1 thread)"


def test_readable_forms_show_percent_spread_and_seeds(study):
    markdown = finetune_table(read_results(study)).markdown()
    assert "56.0 ± 7.1" in markdown and "2 seeds" in markdown
    assert "test videos: 50" in markdown and "Chance on synthetic (%): label 2.1" in markdown


def test_the_interval_over_seeds_is_students(study):
    found = row(finetune_table(read_results(study)), "hdc")
    plain = stats.t.interval(0.95, 1, loc=0.56, scale=0.1 / 2)  # 0.51 and 0.61
    assert (found.synthetic_top1_low, found.synthetic_top1_high) == pytest.approx(plain)


def test_one_seed_has_no_spread_and_says_so(tmp_path):
    table = finetune_table(read_results(plant(tmp_path, seeds=(0,))))
    assert "1 seed" in table.markdown() and "±" not in table.text.to_string()
    assert pd.isna(row(table, "hdc").synthetic_top1_spread)
    assert pd.isna(row(table, "hdc").synthetic_top1_low)


def test_a_missing_record_is_shown_with_its_path_and_fills_nothing(study):
    gone = study.parent / "runs/r3d18/hdc/seed1/synthetic-split2/synthetic/split2/finetune.json"
    gone.unlink()
    table = finetune_table(read_results(study))
    found = row(table, "hdc")
    assert found.synthetic_top1 == pytest.approx(0.51)  # seed 0 alone: seed 1 lacks a split
    named = f"{NAMED}/{gone.relative_to(study.parent)}"
    assert found.missing == f"no record: {named}"
    assert f"[1] no record: {named}" in table.markdown()
    assert row(table, "random_init").missing == ""


def test_a_run_without_any_record_is_a_row_of_missing_cells(study):
    for path in study.parent.glob("runs/r3d18/random_init/**/finetune.json"):
        path.unlink()
    table = finetune_table(read_results(study))
    cell = table.text[table.text.run == "random_init"]["synthetic top-1 (%)"].item()
    assert cell == "missing [1]"


def test_latex_escapes_and_has_booktabs(study):
    latex = ablation_table(Outcomes(read_results(study)), []).latex()
    assert r"random\_init" in latex and r"What of hdc\_100\%?" in latex
    assert all(rule in latex for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert latex.count(r"\begin{") == latex.count(r"\end{")


def test_a_file_that_is_no_study_is_refused(tmp_path):
    path = tmp_path / "study.json"
    path.write_text(json.dumps({"study": "x"}))
    with pytest.raises(InputError, match="expected a study with ablations and evaluations"):
        read_results(path)


def test_rows_that_a_leak_flatters_are_marked(study):
    results = read_results(study)
    for path, record in results.records.items():
        if "/hdc/" in path and path.endswith("evaluate.json"):
            record["protocol"] |= {"data": "synthetic", "pretrained_on_test_videos": 24}
        if "/random_init/" in path and path.endswith("finetune.json"):
            record["protocol"] |= {"data": "synthetic", "pretraining_videos_unknown": "Kinetics"}
    table = retrieval_table(results)
    assert table.text.run.tolist() == ["hdc [1]", "random_init [2]"]
    assert table.notes == [
        "pretrained on 24 of the 50 test videos of synthetic, which flatters it",
        "which videos it was pretrained on is not known (Kinetics)",
    ]
    assert table.numbers.ablation.tolist() == ["hdc", "random_init"]
    assert "24" not in table.caption and "Kinetics" not in table.caption  # true of one row only


def test_probes_with_few_labels_and_controls(study):
    found = row(probes_table(read_results(study)), "hdc")
    assert found.linear == pytest.approx(0.56)
    assert found.linear_1_percent == pytest.approx(0.56 / 4)
    assert found.linear_10_videos == pytest.approx(0.56 / 2)
    assert found.linear_still == pytest.approx(0.2)
    assert found.left_out_seen_shape - found.left_out_unseen_shape == pytest.approx(0.1)


def test_controls_are_rows_of_the_factors(study):
    table = factors_table(read_results(study))
    assert row(table, "hdc", level="layer4.shuffled").label == pytest.approx(0.25)
    assert "layer3.still" not in set(table.numbers.level.astype(str))


def test_every_table_says_how_many_listed_videos_were_missing(study):
    assert not any("missing" in table.caption for table in all_tables(read_results(study)))
    results = read_results(study)
    for path, record in results.records.items():
        if path.endswith("pretrain.json"):
            record["protocol"] = {"data": "kinetics400", "missing_videos": {"all": 6276}}
        elif path.endswith("finetune.json"):
            record["protocol"] |= {
                "data": "synthetic",
                "split": 1,
                "missing_videos": {"test": 2, "train": 3},
            }
    for table in all_tables(results):
        assert "missing, wrong where tested: kinetics400: 6,276 of all; " in table.caption
        assert "synthetic split 1: 2 of test, 3 of train." in table.caption
