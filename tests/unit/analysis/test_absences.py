"""What a study lacks, and why: planted records of which some are taken away, with logs by hand."""

import pytest
from planted_study import plant

from hdc.analysis.absences import absences, missing_records_line
from hdc.analysis.results import read_results

ERROR = "error: ucf101: expected a folder"


@pytest.fixture
def study(tmp_path):
    """A finished study of two runs, two seeds and one split: 12 records."""
    plant(tmp_path / "planted", splits=(1,))
    return tmp_path / "planted"


def lose(study, ablation, seed, *names, stage="", log=None):
    """Take away records of a run, and give the job of a stage a log."""
    run = f"r3d18/{ablation}/seed{seed}/synthetic-split1"
    places = {"pretrain": run, "finetune": f"{run}/synthetic/split1"}
    places |= {"evaluate": places["finetune"], "embed": f"{run}/synthetic"}
    for name in names:
        (study / "runs" / places[name] / f"{name}.json").unlink()
    if log is not None:
        path = study / "logs" / stage / f"{places[stage]}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(log)


def line(study, **more):
    return missing_records_line(read_results(study / "study.json", **more))


def test_a_whole_study_lacks_nothing(study):
    assert line(study) == "" and absences(read_results(study / "study.json")) == []


def test_what_waits_for_a_failed_job_is_told_by_that_job(study):
    lost = "pretrain", "finetune", "evaluate"
    lose(study, "hdc", 1, *lost, stage="pretrain", log=f"step 1\n{ERROR}\n")
    assert line(study) == (
        "Missing: 3 of 12 records. "
        f"Pretraining failed: hdc on r3d18, seed 1, synthetic-split1 ({ERROR})."
    )


def test_evaluation_waits_for_features_and_fine_tuning_does_not(study):
    lose(study, "hdc", 0, "finetune", "evaluate", stage="embed", log="stopped: by SIGTERM\n")
    place = "hdc on r3d18, seed 0, synthetic-split1, synthetic"
    assert line(study) == (
        f"Missing: 2 of 12 records. Fine-tuning has not run: {place}, split1. "
        f"Embedding was stopped: {place} (stopped: by SIGTERM)."
    )


def test_jobs_that_end_alike_stand_together_and_a_table_names_some(study):
    plant(study, seeds=tuple(range(6)), splits=(1,))
    for seed in range(5):
        lose(study, "hdc", seed, "finetune", stage="finetune", log=f"{ERROR} {'of videos ' * 30}\n")
    [found] = absences(read_results(study / "study.json"))
    assert len(found.records) == 5 and "seed 4" in found.text() and "more" not in found.text()
    short = found.text(short=True)
    assert "seed 2" in short and "seed 3" not in short and "; and 2 more (error: ucf101" in short
    assert short.endswith(" ...).") and found.text().count("of videos") == 30


def test_files_to_be_made_again_count_as_missing(study):
    place = "results/planted/runs/r3d18/hdc/seed0/synthetic-split1/synthetic/split1"
    outdated = [f"{place}/{name}" for name in ("evaluate.json", "outcomes.csv")]
    results = read_results(study / "study.json", outdated)
    [why] = results.missing.values()
    assert why == f"to be made again: {place}/evaluate.json"
    assert results.read(outdated[1], lambda file: file.read_text()) is None
    assert line(study, outdated=outdated) == (
        "Missing: 1 of 12 records. Evaluation is to be made again, of other settings or files: "
        "hdc on r3d18, seed 0, synthetic-split1, synthetic, split1."
    )


def test_neither_gaps_nor_damaged_records_are_told_twice(study):
    plant(study, splits=(1,), gaps={"r3d18/random_init": "it cannot be"})
    lose(study, "random_init", 0, "pretrain")
    [damaged] = study.glob("runs/r3d18/hdc/seed0/*/pretrain.json")
    damaged.write_text("{")
    assert line(study) == ""
