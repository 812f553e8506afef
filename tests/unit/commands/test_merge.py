"""Parts of a planted study become the whole, or are refused before anything is written."""

import json
import os
import shutil
from pathlib import Path

import pytest
from planted_study import plant

from hdc.analysis.results import read_results
from hdc.commands.merge import merge
from hdc.commands.publish import publish
from hdc.reporting.tables.all import all_tables
from hdc.runtime.errors import InputError
from hdc.study.jobs import read_plan, standing

RUN = "runs/r3d18/hdc/seed1/synthetic-split1"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder into which parts come, on a machine that has seed 0."""
    monkeypatch.chdir(tmp_path)
    plant(Path("results/planted"), seeds=(0,), splits=(1,))
    return Path("results/planted")


@pytest.fixture
def other(here):
    """The same study on another machine, which has seed 1, with logs and an encoder."""
    folder = Path("other/results/planted")
    plant(folder, seeds=(1,), splits=(1,))
    for path in folder.glob("runs/*/*/*/*"):
        (path / "encoder.safetensors").write_text(f"weights of {path.parts[-3:]}")
        put(folder / "logs/pretrain" / f"{path.relative_to(folder / 'runs')}.log", "done\n")
    return folder


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def tables(study, output):
    for table in all_tables(read_results(study / "study.json")):
        table.write(output)
    return files(output)


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_two_halves_are_the_whole(here, other, tmp_path):
    whole = tmp_path / "whole"
    plant(whole, splits=(1,))
    merge("planted", [other])
    assert tables(here, tmp_path / "joined") == tables(whole, tmp_path / "at once")
    assert files(here / "runs") == files(whole / "runs") | {
        name: one for name, one in files(other / "runs").items() if "/encoder." in name
    }
    assert (here / "logs/pretrain/r3d18/hdc/seed1/synthetic-split1.log").read_text() == "done\n"


@pytest.mark.parametrize("ablations", [("hdc",), ("random_init",)])
def test_parts_by_runs_come_into_an_empty_folder(tmp_path, monkeypatch, ablations):
    monkeypatch.chdir(tmp_path)
    folders = [tmp_path / name / "planted" for name in ("a", "b")]
    remaining = tuple({"hdc", "random_init"} - set(ablations))
    for folder, names in zip(folders, (ablations, remaining), strict=True):
        plant(folder, ablations=names, question="Which?", comparisons=[])
    whole = read_results(plant(tmp_path / "whole", question="Which?", comparisons=[]))
    merge("planted", folders)
    found = read_results(Path("results/planted/study.json"))
    assert found.records == whole.records and found.evaluations.equals(whole.evaluations)
    assert {**found.study, "evaluations": 0} == {**whole.study, "evaluations": 0}


def test_a_published_copy_comes_in_and_later_what_it_lacks(here, other, tmp_path, monkeypatch):
    put(other / "report.html", "page")
    monkeypatch.chdir("other")
    publish("planted")
    monkeypatch.chdir("..")
    merge("planted", [Path("other/results/published/planted")])
    whole = read_results(plant(tmp_path / "whole", splits=(1,)))
    assert read_results(here / "study.json").records == whole.records
    assert (here / RUN / "synthetic/split1/outcomes.csv").is_file()
    assert not (here / RUN / "encoder.safetensors").exists()

    os.utime(here / RUN / "pretrain.json", (10**9, 10**9))
    before = files(here)
    merge("planted", [other])
    assert before.items() <= files(here).items()  # fewer columns are no other result
    assert (here / RUN / "encoder.safetensors").stat().st_mtime == 10**9


def test_repeated_it_does_nothing(here, other, capsys):
    merge("planted", [other])
    times = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    capsys.readouterr()
    merge("planted", [other, other])
    said = f"{other}: 0 jobs come over, 6 were there already\n"
    assert capsys.readouterr().out.count(said) == 2
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == times


def test_a_merge_that_was_cut_off_is_done_by_another(here, other, monkeypatch):
    """No record is there before the rest of its job."""
    from hdc.commands import merge as module

    bring, left = module._bring, iter(range(9))

    def cut(source, path):
        if next(left, None) is None:
            raise KeyboardInterrupt
        bring(source, path)

    monkeypatch.setattr(module, "_bring", cut)
    with pytest.raises(KeyboardInterrupt):
        merge("planted", [other])
    for record in here.glob("runs/*/*/seed1/*/pretrain.json"):
        assert (record.parent / "encoder.safetensors").is_file()
    monkeypatch.setattr(module, "_bring", bring)
    merge("planted", [other])
    assert files(other / "runs").items() <= files(here / "runs").items()


def test_a_dry_run_says_the_same_and_writes_nothing(here, other, capsys):
    before = files(here)
    merge("planted", [other], dry_run=True)
    dry = capsys.readouterr().out
    assert files(here) == before
    merge("planted", [other])
    assert dry.replace("would come", "come") == "".join(
        capsys.readouterr().out.splitlines(keepends=True)[:2]
    )


def refused(other, words, **allowed):
    """That a merge is refused in such words, and changes nothing."""
    here = Path("results/planted")
    before = files(here)
    with pytest.raises(InputError, match=words):
        merge("planted", [other], **allowed)
    assert files(here) == before


def test_the_same_job_with_other_bytes_is_refused(here, other):
    copied = here / RUN / "pretrain.json"
    put(copied, (other / RUN / "pretrain.json").read_text())
    change(copied, seconds=1.0)
    refused(other, rf"{copied} and {other}/{RUN}/pretrain.json: expected the same bytes.*; nothing")


def test_what_an_unfinished_job_left_is_not_overwritten(here, other):
    put(here / RUN / "log.jsonl", '{"step": 1}\n')
    refused(other, r"log\.jsonl and .*: expected the same bytes, found others; nothing was changed")


def test_two_parts_with_other_results_of_a_job_are_refused(here, other):
    third = Path(shutil.copytree(other, "third"))
    change(third / RUN / "pretrain.json", seconds=1.0)
    with pytest.raises(InputError, match=r"other/.* and third/.*: expected the same bytes"):
        merge("planted", [other, third])


def test_other_settings_are_refused_unless_they_are_allowed(here, other):
    record = other / RUN / "pretrain.json"
    settings = json.loads(record.read_text())["settings"]
    settings["pretrain"]["epochs"] = 21
    change(record, settings=settings)
    refused(
        other,
        r"pretrain r3d18/hdc/seed1/synthetic-split1: expected the settings of results/planted.*, "
        "found others: pretrain.epochs was 20, is 21; --allow-other-settings joins",
        allow_other_commits=True,
    )
    merge("planted", [other], allow_other_settings=True)
    assert (here / RUN / "pretrain.json").read_bytes() == record.read_bytes()


def test_another_scale_or_setting_of_the_study_is_refused(here, other):
    change(other / "study.json", settings={"pretrain.epochs": 3})
    refused(other, r"expected the study of results/planted.*settings.pretrain.epochs was nothing")
    change(other / "study.json", settings=None, scale="paper")
    refused(other, r"scale was demo, is paper")


def test_other_prepared_data_are_refused(here, other):
    for folder, digest in ((here, "one"), (other, "two")):
        for record in folder.glob("runs/**/*.json"):
            change(record, inputs={"results/data/synthetic/index.csv": digest, "encoder": digest})
    refused(other, r"expected the prepared data of .*, found another results/data/synthetic/index")


@pytest.mark.parametrize("changes", [{"commit": "f" * 16}, {"modified": True}, {"commit": None}])
def test_other_commits_are_refused_unless_they_are_allowed(here, other, changes):
    for record in other.glob("runs/**/*.json"):
        change(record, **changes)
    refused(
        other,
        r"expected a record of commit 0123456789abcdef, as the others, found .*; "
        "--allow-other-commits joins",
        allow_other_settings=True,
    )
    merge("planted", [other], allow_other_commits=True)
    assert not read_results(here / "study.json").missing


def test_another_study_and_no_study_are_refused(here, other):
    change(other / "study.json", study="else")
    for path in other.glob("runs/**/*.json"):
        path.unlink()
    content = (other / "study.json").read_text()
    (other / "study.json").write_text(content.replace("results/planted", "results/else"))
    refused(other, r"other/results/planted: expected results of planted, found else")
    refused(Path("nowhere"), r"nowhere: expected the folder of a study, with study.json, found non")


def test_a_damaged_record_is_refused(here, other):
    (other / RUN / "pretrain.json").write_text("{}\n}\n")
    refused(other, r"pretrain\.json: expected a whole record.*; delete it there and run again")


def test_why_a_job_failed_there_comes_over(here, other):
    name = f"{RUN.removeprefix('runs/')}/synthetic/split1"
    (other / "runs" / name / "evaluate.json").unlink()
    put(other / "logs/evaluate" / f"{name}.log", "error: no videos\n")
    merge("planted", [other])
    plan = read_plan(here)
    assert standing(plan.jobs["evaluate", name], {}) == {
        "state": "failed",
        "words": "error: no videos",
    }


def test_on_the_command_line(here, other, call, tmp_path):
    words = ("hdc", "merge", "planted", "other/results/planted")
    done = call(*words, "--dry-run", cwd=tmp_path, check=True)
    assert done.stdout.startswith("other/results/planted: 6 jobs would come over, 0 were there")
    done = call(*words, cwd=tmp_path, check=True)
    assert "python -m hdc.report study=results/planted/study.json" in done.stdout
    assert "synthetic is not prepared here" in done.stdout  # no features came over
    done = call("hdc", "merge", "planted", "nowhere/", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("error: nowhere: expected the folder")
