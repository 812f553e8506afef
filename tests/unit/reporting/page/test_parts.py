"""What the parts of the report's page say about planted records."""

import json
import shutil

import pytest
from planted_study import VIDEOS, plant

from hdc.analysis.results import read_results
from hdc.report import page
from hdc.reporting.page.cards import cards
from hdc.reporting.page.dag import dag
from hdc.reporting.page.runs import runs
from hdc.reporting.page.summary import how_to_read, video_facts, what_was_run
from hdc.reporting.page.tables import shown
from hdc.reporting.tables.all import all_tables
from hdc.reporting.tables.table import Origin

BACKBONES, DATA_SETS = ("r3d18", "c3d"), ("synthetic", "hmdb51")


@pytest.fixture
def change(tmp_path):
    """Change every record of a stage, of those whose path has some words in it."""

    def edit(stage, how, words=""):
        found = [path for path in tmp_path.rglob(f"{stage}.json") if words in path.as_posix()]
        for path in found:
            record = json.loads(path.read_text())
            how(record)
            path.write_text(json.dumps(record))
        return found

    return edit


def test_a_line_says_what_was_run(tmp_path):
    results = read_results(plant(tmp_path, backbones=BACKBONES, seeds=(0,)))
    assert what_was_run(results) == (
        "2 runs on synthetic (splits 1, 2); 2 backbones (r3d18, c3d); 1 seed; scale demo."
    )


@pytest.mark.parametrize(
    ("seeds", "comparisons", "words"),
    [
        ((0,), [], "1 seed: no interval, and differences are not tested."),
        ((0, 1), [], "2 seeds: intervals over seeds are wide, and differences are not tested"),
        (range(5), [], "5 seeds. This study declared no comparison"),
        (range(5), [{}], "5 seeds: the comparisons that the study declared beforehand are tested"),
    ],
)
def test_how_to_read_follows_the_seeds(tmp_path, seeds, comparisons, words):
    results = read_results(
        plant(tmp_path, seeds=tuple(seeds), splits=(1,), comparisons=comparisons)
    )
    assert how_to_read(results).startswith(words)


def test_only_seeds_with_a_record_count(tmp_path):
    study = plant(tmp_path, seeds=(0, 1))
    for folder in tmp_path.glob("runs/*/*/seed1"):
        shutil.rmtree(folder)
    assert how_to_read(read_results(study)).startswith("1 seed: ")


def test_settings_are_compared_with_those_of_hdc(tmp_path, change):
    study = plant(tmp_path)
    for run, spatial in (("hdc", {"match": "same_time"}), ("random_init", None)):
        change("pretrain", lambda one, to=spatial: one["settings"].update(spatial=to), f"/{run}/")
    change("pretrain", lambda one: one["settings"].update(ablation="random_init"), "/random_init/")
    hdc, other = runs(read_results(study))
    assert (hdc.name, hdc.differing) == ("hdc", {})
    assert other.differing == {
        "pretrain.epochs": ("0", "20"),
        "spatial": ("None", "match same_time"),
    }
    assert hdc.settings["clip.frames"] == "16" and other.settings["spatial"] == "None"


def test_a_stage_that_one_run_lacks_is_not_compared(tmp_path, change):
    study = plant(tmp_path)
    change("evaluate", lambda one: one["settings"].update(neighbours=3))
    for path in change("evaluate", lambda one: None, "/random_init/"):
        path.unlink()
    assert list(runs(read_results(study))[1].differing) == ["pretrain.epochs"]


def test_cells_of_the_same_records_share_a_card(tmp_path):
    study = plant(tmp_path, backbones=BACKBONES, data_sets=DATA_SETS)
    lost = tmp_path / "runs/c3d/hdc/seed0/hmdb51-split1/hmdb51/split1/finetune.json"
    lost.unlink()
    results = read_results(study)
    tables = all_tables(results)
    found = cards(results, tables)
    assert len(found) == len(DATA_SETS) * len(BACKBONES) * 2 * 3  # runs, stages
    card = found[Origin("finetune", "c3d", "hmdb51", "hdc")]
    assert card.facts["records"] == "3 of 4" and card.facts["seeds"] == "2 seeds: 0, 1"
    assert card.facts["averaging"] == "probabilities"
    assert all("/c3d/hdc/" in path and "/hmdb51/" in path for path in card.records)
    assert len(card.missing) == 1 and card.missing[0].startswith("no record: ")
    opened = {
        cell.card
        for table in tables
        for block in shown(table, found).blocks
        for row in block
        for cell in row
        if cell.card
    }
    assert opened == {card.id for card in found.values()}


def test_rows_keep_their_cards_where_columns_are_moved(tmp_path):
    results = read_results(plant(tmp_path, backbones=BACKBONES, data_sets=DATA_SETS))
    table = all_tables(results)[0]
    found = cards(results, [table])
    whole = shown(table, found)
    assert whole.columns[0] == "run" and len(whole.blocks) == len(BACKBONES) * len(DATA_SETS)
    place = whole.columns.index("top-1 (%)")
    where = [whole.columns.index(name) for name in ("backbone", "data set", "run")]
    for row in (row for block in whole.blocks for row in block):
        backbone, data, run = (row[number].text for number in where)
        assert row[place].card == found[Origin("finetune", backbone, data, run)].id


def test_the_workflow_counts_records_and_jobs(tmp_path):
    study = plant(tmp_path, backbones=BACKBONES, data_sets=DATA_SETS)
    next(tmp_path.glob("runs/*/*/*/*/pretrain.json")).unlink()
    counts = {box.name: box.count for box in dag(read_results(study))["boxes"]}
    assert counts == {
        "prepare": "2 data sets",
        "pretrain": "31 of 32",
        "fine-tune": "32 of 32",
        "embed": "32 jobs",
        "evaluate": "32 of 32",
        "report": "this page",
    }


def test_videos_are_told_by_part_and_what_was_wrong_with_them(tmp_path, change):
    study = plant(tmp_path, splits=(1,))
    more = {
        "missing_videos": {"test": 2, "train": 1},
        "unusable_test_videos": 4,
        "test_videos_with_copies_in_training": 5,
    }
    change("evaluate", lambda one: one["protocol"].update(more))
    for path in tmp_path.rglob("finetune.json"):
        path.unlink()
    found = video_facts(read_results(study))
    [row] = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    assert row == {
        "data set": "synthetic", "split": "1", "training": "190", "validation": "10",
        "test": str(VIDEOS), "classes": "48", "unusable in test": "4",
        "with a copy in training": "5", "rejected": "3 too short", "missing": "2 test, 1 train",
    }  # fmt: skip


def test_old_records_say_what_they_know(tmp_path, change):
    study = plant(tmp_path, splits=(1,))
    change("evaluate", lambda one: one["metrics"].pop("videos"))
    for stage in ("pretrain", "finetune", "evaluate"):
        change(stage, lambda one: [one.pop(key) for key in ("versions", "commit", "modified")])
    results = read_results(study)
    [row] = video_facts(results)["rows"]
    assert row[:5] == ["synthetic", "1", "n/a", "n/a", str(VIDEOS)]
    assert "none: not in a checkout" in page(results, all_tables(results), [])


def test_a_page_without_any_record_says_so(tmp_path):
    study = plant(tmp_path)
    shutil.rmtree(tmp_path / "runs")
    results = read_results(study)
    html = page(results, all_tables(results), [])
    assert "No record of a judged run is there yet." in html
    assert "0 of 4" in html and "It has no record yet." in html
