"""Results that were copied without Snakemake's hidden folder, in whatever order of time."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from hdc.commands.merge import merge
from hdc.runtime.inputs import made_from
from hdc.settings import compose as config
from hdc.settings.files import allowed
from hdc.settings.reads import EVALUATE_READS, PRETRAIN_READS
from hdc.study.outdated import Jobs, outdated
from hdc.study.study import Study

ABOUT = "about:\n  question: Why not?\n  paper: not in the paper\n"


@pytest.fixture
def settings(workplace, monkeypatch):
    """The study that lies in the working folder, which has three runs of one seed."""
    monkeypatch.chdir(workplace)
    config.forget_composed()
    smoke = yaml.safe_load(Path("config/smoke.yaml").read_text())
    path = Path("ablations/measured_again.yaml")
    path.write_text(f"{ABOUT}objective: {{weighting: frozen, measured_by: measured_weights}}\n")
    runs = ["hdc", "random_init", "measured_again"]
    smoke |= {"study": "copied", "backbones": ["r3d18"], "ablations": runs, "seeds": [0]}
    smoke.pop("comparisons", None), smoke.pop("skip", None), smoke.pop("ablate_on", None)
    Path("config/copied.yaml").write_text(yaml.safe_dump(smoke))
    yield smoke
    config.forget_composed()


@pytest.fixture
def study(settings, plant_store):
    """A study of which all is done, its jobs with the records that stages leave."""
    plan = Study.read(settings)
    folder = Path("results/data/synthetic_smoke")
    folder.mkdir(parents=True)
    for name in (
        "index.csv",
        "rejected.csv",
        "listed.csv",
        "files.csv",
        "split1.csv",
    ):
        (folder / name).write_text(f"{name}\n")
    plant_store(folder)
    for job in Jobs(plan):
        finish(job)
    Path("results/copied/study.json").write_text(plan.plan())
    return plan


def finish(job):
    """Leave what a stage leaves, as far as planning looks at it."""
    made = {"stage": job.stage, "seed": 0, "metrics": {"levels": ["layer4"]}, "protocol": {}}
    made |= {"settings": job.settings.nodes, "inputs": made_from(*job.inputs)}
    for path in map(Path, job.outputs):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "features.safetensors":
            facts = json.dumps(made | {"settings": job.settings.digest})
            save_file({"layer4": np.zeros((1, 1))}, path, {"hdc": facts})
        else:
            path.write_text(json.dumps(made) if path == Path(job.outputs[0]) else f"{path}\n")


def append(path, text):
    """Add to a run's settings."""
    Path(path).write_text(Path(path).read_text() + text)
    config.forget_composed()


def shuffle_times(seed):
    """Give every file below results/ another time of the last minutes, in no order."""
    files = sorted(path for path in Path("results").rglob("*") if path.is_file())
    times = np.random.default_rng(seed).permutation(len(files)) + int(1.7e9)
    for path, time in zip(files, times.tolist(), strict=True):
        os.utime(path, (time, time))


def in_order(job):
    """Whether no output of a job is older than what it was made from."""
    oldest = min(Path(path).stat().st_mtime_ns for path in job.outputs)
    return all(Path(path).stat().st_mtime_ns <= oldest for path in job.inputs)


def test_in_whatever_order_files_were_copied_nothing_is_outdated(study):
    for seed in range(5):
        shuffle_times(seed)
        assert not all(map(in_order, Jobs(study)))
        assert outdated(study) == {}
        assert all(map(in_order, Jobs(study)))


def test_parts_that_were_copied_later_than_the_lists_make_no_lists_again(study):
    shards = Path("results/data/synthetic_smoke/shards")
    shards.mkdir()
    (shards / "0001-of-0002.done").touch()
    assert outdated(study) == {}
    lists = [*shards.parent.glob("*.csv"), shards.parent / "store.json"]
    assert len({path.stat().st_mtime_ns for path in lists}) == 1
    assert all(map(in_order, Jobs(study)))


def test_a_changed_setting_is_noticed_by_the_jobs_that_read_it(settings, study):
    append("ablations/controls/random_init.yaml", "evaluate: {neighbours: 3}\n")
    found = outdated(Study.read(settings))
    [(record, reason)] = found.items()
    assert record.endswith(
        "/random_init/seed0/synthetic_smoke-split1/synthetic_smoke/split1/evaluate.json"
    )
    assert "evaluate.neighbours was " in reason and reason.endswith(", is 3")


def test_features_notice_a_changed_setting_too(settings, study):
    append("ablations/paper/hdc.yaml", "inference: {clips: 5}\n")
    found = outdated(Study.read(settings))
    assert sorted(path.rpartition("/")[2] for path in found) == [
        "features.safetensors",
        "finetune.json",
    ]


def test_probes_of_time_that_are_asked_for_later_make_features_again_and_no_training(
    settings, study
):
    append("ablations/paper/hdc.yaml", "time_probes: {videos: 5}\n")
    found = outdated(Study.read(settings))
    assert [path.rpartition("/")[2] for path in found] == ["features.safetensors"]


def test_a_file_of_other_content_is_noticed_only_where_it_was_read(study):
    [encoder] = Path("results").glob("**/hdc/**/encoder.safetensors")
    encoder.write_text("another")
    found = outdated(study)
    assert sorted(path.rpartition("/")[2] for path in found) == [
        "evaluate.json", "features.safetensors", "finetune.json",
    ]  # fmt: skip
    assert set(found.values()) == {f"files: another {encoder}"}


def test_an_encoder_that_is_read_from_elsewhere_is_noticed_however_old(settings, study):
    [old] = Path("results").glob("**/random_init/**/encoder.safetensors")
    os.utime(old, (1, 1))
    Path("ablations/controls/random_init.yaml").write_text(f"{ABOUT}pretrained_by: hdc\n")
    config.forget_composed()
    found = outdated(Study.read(settings))
    encoder = "/hdc/seed0/synthetic_smoke-split1/encoder.safetensors"
    assert any("/random_init/" in path and why.endswith(encoder) for path, why in found.items())


def test_records_that_tell_nothing_are_left_to_snakemake(study):
    shuffle_times(0)
    for job in Jobs(study):
        Path(job.outputs[0]).write_text("")
    assert outdated(study) == {}


def test_another_protocol_changes_neither_pretraining_nor_evaluation(settings):
    """Their stages are not told it, so their records hold the settings of ours."""
    for name in allowed("protocol"):
        run, ours = (
            config.compose_run("hdc", backbone=backbone, data="ucf101", scale="paper", protocol=one)
            for backbone, one in (("r3d18", name), ("r3d18", "ours"))
        )
        for reads in (PRETRAIN_READS, EVALUATE_READS):
            assert config.settings_text(run, reads) == config.settings_text(ours, reads)


def planned(call):
    """The jobs of a dry run, each with its rule and its files, and what is said of them."""
    words = ("-n", "--cores", "2", "--configfile", "config/copied.yaml")
    done = call("snakemake", *words, cwd=Path.cwd(), check=True)
    blocks = re.findall(r"^rule (\w+):\n(.*?)(?:\n\n|\Z)", done.stdout, re.M | re.S)
    files = [dict(re.findall(r"^    (input|output): (.*)$", text, re.M)) for _, text in blocks]
    return list(zip([rule for rule, _ in blocks], files, strict=True)), done.stderr


def test_jobs_are_those_of_the_rules(call, settings):
    """What planning takes for a job's files is what the rule declares."""
    found = {
        (rule, frozenset(files["input"].split(", ")), frozenset(files["output"].split(", ")))
        for rule, files in planned(call)[0]
        if rule in ("pretrain", "finetune", "embed", "evaluate")
    }
    jobs = Jobs(Study.read(settings))
    assert found == {(one.stage, frozenset(one.inputs), frozenset(one.outputs)) for one in jobs}


def test_merged_jobs_are_not_planned_again(call, study, tmp_path):
    """With all their files or, of a published copy, without encoders, features and the like."""
    shutil.move("results/copied", tmp_path / "other/copied")
    merge("copied", [tmp_path / "other/copied"])
    assert outdated(study) == {}
    # The run that measured weights for another is in no table: it does not come over.
    assert not Path("results/copied/runs/r3d18/measured_weights").exists()
    assert [rule for rule, _ in planned(call)[0]] == ["report", "all"]
    for path in Path("results/copied").rglob("*.safetensors"):
        path.unlink()
    assert [rule for rule, _ in planned(call)[0]] == ["report", "all"]


def test_a_deleted_record_is_made_again_beside_a_finished_report(study):
    """Snakemake by itself misses nothing of which everything is there that is made from it."""
    page = Path("results/copied/report.html")
    page.write_text("page")
    assert outdated(study) == {}
    next(Path("results/copied/runs").rglob("finetune.json")).unlink()
    assert outdated(study) == {str(page): "records than there were for the report"}


def test_beside_copied_results_only_new_and_changed_jobs_are_planned(call, study):
    """The whole of it: no hidden folder, times in no order, a new run and a changed setting."""
    [(rule, files), _], _ = planned(call)
    assert rule == "report"
    for path in map(Path, files["output"].split(", ")):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    shutil.rmtree(".snakemake")
    shuffle_times(1)
    shutil.copy("ablations/paper/hdc.yaml", "ablations/dropped_in.yaml")
    text = Path("config/copied.yaml").read_text().replace("- hdc\n", "- hdc\n- dropped_in\n")
    Path("config/copied.yaml").write_text(text)
    append("ablations/controls/random_init.yaml", "evaluate: {neighbours: 3}\n")
    jobs, said = planned(call)
    assert sorted(rule for rule, _ in jobs) == [
        "all", "embed", "evaluate", "evaluate", "finetune", "plan", "pretrain", "report",
    ]  # fmt: skip
    added = [files["output"] for rule, files in jobs if rule in ("pretrain", "embed")]
    assert all("/dropped_in/" in files for files in added)
    assert "made again: 1 for other settings of evaluate: evaluate.neighbours was " in said
    assert "made again: 1 for other runs of the study" in said
