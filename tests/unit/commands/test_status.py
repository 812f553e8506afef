"""What `hdc status` says of a planted study whose files are changed by hand."""

import json
import os
import re
import socket
import subprocess
import sys
import time

import pytest
from planted_study import plant

from hdc.commands.status import duration, page, status
from hdc.runtime.errors import InputError
from hdc.runtime.lock import holder
from hdc.study.jobs import last_words, read_plan, standing, writers

RUN = "r3d18/hdc/seed0/synthetic-split1"
SPLIT = f"{RUN}/synthetic/split1"
JOBS = {"pretrain": RUN, "finetune": SPLIT, "embed": f"{RUN}/synthetic", "evaluate": SPLIT}
OUTPUTS = {
    "pretrain": f"{RUN}/pretrain.json",
    "finetune": f"{SPLIT}/finetune.json",
    "embed": f"{RUN}/synthetic/features.safetensors",
    "evaluate": f"{SPLIT}/evaluate.json",
}
STATES = ("done", "running", "failed", "stopped", "unclear", "missing")
LINE = {"step": 20, "steps": 645, "loss": 3.8213, "clips_per_second": 109.3, "seconds_left": 200.4}

HOLDER = """
import sys, time
from pathlib import Path
from hdc.runtime.lock import Lock
Lock(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture
def study(tmp_path):
    """A finished study of two runs on one split, in a folder with its prepared data set."""
    folder = tmp_path / "results/planted"
    plant(folder, seeds=(0,), splits=(1,))
    for path in folder.glob("runs/*/*/*/*/synthetic"):
        (path / "features.safetensors").write_text("features")
    put(tmp_path / "results/data/synthetic/index.csv", "video\n")
    put(folder / "report.html", "page")
    return folder


@pytest.fixture
def hold():
    """Let another process take a lock; returns the process."""
    children = []

    def take(path):
        command = [sys.executable, "-c", HOLDER, path]
        children.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert children[-1].stdout.readline() == "locked\n"
        return children[-1]

    yield take
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def undo(study, stage, log=None):
    """Take away the output of the run hdc, and give the job a log; returns where the log lies."""
    (study / "runs" / OUTPUTS[stage]).unlink()
    path = study / "logs" / stage / f"{JOBS[stage]}.log"
    return put(path, log) if log is not None else path


def stand(study, stage, name=None):
    plan = read_plan(study)
    return standing(plan.jobs[stage, JOBS[stage] if name is None else name], writers())


def shown(study):
    plan = read_plan(study)
    return page(plan, {key: standing(job, writers()) for key, job in plan.jobs.items()})


def lock_of(study, stage):
    return study / "runs" / JOBS[stage] / "state/lock"


def test_a_finished_study(study):
    assert shown(study).splitlines() == [
        f"study planted in {study}",
        "data set synthetic: done",
        "report: done",
        "",
        "backbone  ablation     pretrain  finetune  embed  evaluate",
        "r3d18     hdc          1/1       1/1       1/1    1/1",
        "r3d18     random_init  1/1       1/1       1/1    1/1",
        "",
        "10 of 10 jobs done",
    ]


@pytest.mark.parametrize("stage", JOBS)
def test_without_output_and_log_a_job_is_missing(study, stage):
    undo(study, stage)
    assert stand(study, stage) == {"state": "missing"}
    assert shown(study).endswith("\n9 of 10 jobs done, 1 missing")


@pytest.mark.parametrize("stage", ["pretrain", "finetune", "evaluate"])
@pytest.mark.parametrize("indent", [None, 1])
def test_half_a_record_is_none(study, stage, indent):
    path = study / "runs" / OUTPUTS[stage]
    whole = json.dumps(json.loads(path.read_text()), indent=indent) + "\n"
    path.write_text(whole)
    assert stand(study, stage) == {"state": "done"}
    path.write_text(whole[: len(whole) // 2])
    found = stand(study, stage)
    assert found["state"] == "failed"
    assert found["words"] == f"error: not a whole record: {path}; delete it and run again"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("step 1/20\nerror: expected a finite loss, got nan\n", "error: expected a finite loss"),
        ("Traceback (most recent call last):\n  File x\nRuntimeError: CUDA: no\nCompile\n\n",
         "RuntimeError: CUDA: no"),
        ("Traceback (most recent call last):\n  File x\nfar.away.Mishap: it broke\n",
         "far.away.Mishap: it broke"),
        ("Traceback (most recent call last):\n  a\nKeyError: 1\n\nDuring it:\n\n"
         "Traceback (most recent call last):\n  b\nValueError: 2\n", "ValueError: 2"),
        ("/venv/bin/python: No module named hdc\n", "/venv/bin/python: No module named hdc"),
        ("KeyboardInterrupt\n", "KeyboardInterrupt"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stage", JOBS)
def test_a_log_that_ends_with_an_error_is_of_a_job_that_failed(study, stage, log, words):
    path = undo(study, stage, log)
    found = stand(study, stage)
    assert found["state"] == "failed"
    assert found["words"].startswith(words)
    text = shown(study)
    assert f"failed: {stage} {JOBS[stage]}\n  {found['words']}\n  {path}\n" in text
    assert text.endswith("9 of 10 jobs done, 1 failed")


def test_a_log_of_an_error_counts_for_nothing_once_the_output_is_there(study):
    put(study / f"logs/pretrain/{RUN}.log", "error: no\n")
    assert stand(study, "pretrain") == {"state": "done"}


def test_a_log_of_success_without_its_output_is_of_a_job_to_do_again(study):
    undo(study, "embed", "results/x/features.safetensors: 24 videos, layer4\n")
    assert stand(study, "embed") == {"state": "missing"}


def test_a_stopped_training_says_where_it_goes_on(study):
    words = "stopped: by SIGTERM after step 43 of 645; the state is saved, run the same again"
    path = undo(study, "pretrain", f"step 20/645\n{words}\n")
    folder = study / "runs" / RUN
    put(folder / "log.jsonl", json.dumps(LINE) + "\n")
    for step in (20, 43):
        put(folder / f"state/0123/{step:012d}.pt", "")
        os.utime(folder / f"state/0123/{step:012d}.pt", (step, step))
    assert stand(study, "pretrain") == {
        "state": "stopped",
        "words": words,
        "step": 43,
        "steps": 645,
    }
    assert (
        f"stopped: pretrain {RUN}\n  {words}\n"
        f"  its state of step 43 of 645 is there to go on from\n  {path}\n"
    ) in shown(study)


@pytest.mark.parametrize("log", ["", "step 20/645 loss 3.8\n"])
def test_a_training_that_was_killed_is_stopped(study, log):
    undo(study, "finetune", log)
    put(lock_of(study, "finetune").parent / "0123/000000000043.pt", "")
    found = stand(study, "finetune")
    assert found["state"] == "stopped" and found["step"] == 43
    assert found["words"] == "it ended without a word"


@pytest.mark.parametrize("stage", ["embed", "evaluate"])
def test_how_a_job_without_a_lock_ended_is_unclear_if_it_does_not_say(study, stage):
    undo(study, stage, "")
    assert stand(study, stage)["state"] == "unclear"
    assert shown(study).endswith("9 of 10 jobs done, 1 unclear")


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_training_that_holds_its_lock_is_running(study, stage, hold):
    undo(study, stage, "step 20/645\n")
    child = hold(lock_of(study, stage))
    name = "log.jsonl" if stage == "pretrain" else "finetune.log.jsonl"
    log = put(study / "runs" / JOBS[stage] / name, json.dumps(LINE) + "\n" + '{"step": 40, "ste')
    found = stand(study, stage)
    assert found["state"] == "running" and found["step"] == 20  # not of the line cut in half
    assert (found["host"], found["process"]) == (socket.gethostname(), child.pid)
    expected = (
        f"running: {stage} {JOBS[stage]}\n  step 20/645, loss 3.821, 109 clips/s, 3 min 20 s left; "
        f"since {found['since'][4:16]}, process {child.pid} on {socket.gethostname()}\n"
    )
    assert expected in shown(study)
    os.utime(log, (time.time() - 900, time.time() - 900))
    assert "nothing logged for 15 min 00 s; since" in shown(study)


def test_the_lock_of_a_dead_process_is_none(study, hold):
    undo(study, "pretrain")
    child = hold(lock_of(study, "pretrain"))
    child.kill()
    child.wait()
    assert lock_of(study, "pretrain").is_file()
    assert stand(study, "pretrain")["state"] == "stopped"


def test_a_process_that_only_has_the_number_of_the_holder_holds_nothing(study):
    undo(study, "pretrain")
    me = {"host": socket.gethostname(), "process": os.getpid(), "since": time.ctime()}
    put(lock_of(study, "pretrain"), json.dumps(me))
    assert stand(study, "pretrain")["state"] == "stopped"


def test_a_lock_of_another_host_counts_until_it_is_old(study):
    undo(study, "pretrain")
    lock = lock_of(study, "pretrain")
    put(lock, json.dumps({"host": "elsewhere", "process": 7, "since": time.ctime()}))
    found = stand(study, "pretrain")
    assert found["state"] == "running"
    assert (found["host"], found["process"]) == ("elsewhere", 7)
    os.utime(lock, (time.time() - 601, time.time() - 601))
    assert stand(study, "pretrain")["state"] == "stopped"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "7"])
def test_a_broken_lock_is_held_by_nobody(tmp_path, text):
    assert holder(put(tmp_path / "lock", text)) is None


@pytest.mark.parametrize("stage", JOBS)
def test_a_job_whose_log_a_process_writes_is_running(study, stage):
    log = undo(study, stage, "")
    with log.open("a") as file:
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        child = subprocess.Popen(command, stdout=file)
    try:
        found = stand(study, stage)
        assert (found["state"], found["process"]) == ("running", child.pid)
        assert abs(time.mktime(time.strptime(found["since"])) - time.time()) < 30
    finally:
        child.kill()
        child.wait()
    assert stand(study, stage)["state"] != "running"


def test_a_data_set_is_counted_in_parts(study, hold):
    data = study.parent / "data/synthetic"
    (data / "index.csv").unlink()
    assert stand(study, "prepare", "synthetic") == {"state": "missing"}
    for name in ("0001-of-0001.json", "0001-of-0003.json", "0002-of-0003.journal.partial"):
        put(data / "shards" / name, "")
        os.utime(data / "shards" / name, (len(name), len(name)))
    found = stand(study, "prepare", "synthetic")
    assert found["state"] == "stopped"
    assert (found["parts_done"], found["parts"]) == (1, 3)
    put(study / "logs/prepare/synthetic/0002.log", "error: no space left on the disk\n")
    assert stand(study, "prepare", "synthetic")["state"] == "failed"
    child = hold(data / "shards/0002-of-0003.lock")
    assert stand(study, "prepare", "synthetic")["process"] == child.pid
    assert "data set synthetic: running, 1 of 3 parts\n" in shown(study)


def test_a_report_older_than_the_plan_is_to_be_made_again(study):
    os.utime(study / "report.html", (1, 1))
    assert stand(study, "report", "") == {"state": "missing"}
    put(study / "logs/report.log", "error: no\n")
    assert "failed: report\n  error: no\n" in shown(study)


def test_a_shared_pretraining_counts_once_but_stands_in_every_row(study):
    path = study / "study.json"
    content = json.loads(path.read_text())
    content["evaluations"][1]["run_folder"] = content["evaluations"][0]["run_folder"]
    path.write_text(json.dumps(content))
    put(study / "report.html", "page")
    assert shown(study).endswith("\n9 of 9 jobs done")
    assert "r3d18     random_init  1/1       1/1" in shown(study)


def test_many_jobs_that_fail_alike_are_not_all_listed(tmp_path):
    plant(tmp_path, seeds=tuple(range(12)), splits=(1,))
    for path in tmp_path.glob("runs/**/evaluate.json"):
        name = path.parent.relative_to(tmp_path / "runs")
        put(tmp_path / f"logs/evaluate/{name}.log", "error: no\n")
        path.unlink()
    text = shown(tmp_path)
    assert text.count("failed: evaluate") == 20
    assert "\n4 more are failed: hdc status --json\n" in text
    assert "0/12 12f" in text


def test_a_table_is_narrow(tmp_path):
    path = plant(tmp_path, ablations=("coupled_shared_augmentation",), seeds=tuple(range(30)))
    path.write_text(path.read_text().replace('"r3d18"', '"r2plus1d10"'))
    for record in tmp_path.glob("runs/**/*.json"):
        record.write_text("{")
    text = shown(tmp_path)
    table = text[text.index("backbone") :].split("\n\n")[0]
    assert "0/60 60f" in table and max(map(len, table.splitlines())) <= 100


def test_a_study_that_has_not_begun(call, tmp_path):
    done = call("hdc", "status", "ucf101", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "error: results/ucf101/study.json: expected the plan of a study, found none; start the "
        "study with snakemake --cores all --configfile config/ucf101.yaml, "
        "which writes it as it begins\n"
    )


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"study": "x"}', '{"study": "x", "evaluations": [1]}']
)
def test_a_broken_plan_is_refused(tmp_path, text):
    put(tmp_path / "study.json", text)
    with pytest.raises(InputError, match=r"study.json: expected a study with evaluations, found"):
        status(tmp_path)


def test_as_json(call, study, tmp_path):
    undo(study, "evaluate", "error: no\n")
    done = call("hdc", "status", "planted", "--json", cwd=tmp_path, check=True)
    found = json.loads(done.stdout)
    assert (found["study"], found["folder"]) == ("planted", "results/planted")
    none = dict.fromkeys(STATES, 0)
    assert found["totals"] == none | {"done": 9, "failed": 1}
    first = found["runs"][0]
    assert (first["backbone"], first["ablation"]) == ("r3d18", "hdc")
    assert first["pretrain"] == none | {"done": 1} and first["evaluate"] == none | {"failed": 1}
    [job] = [job for job in found["jobs"] if job["state"] == "failed"]
    assert job == {
        "stage": "evaluate",
        "name": SPLIT,
        "state": "failed",
        "output": f"results/planted/runs/{OUTPUTS['evaluate']}",
        "log": f"results/planted/logs/evaluate/{SPLIT}.log",
        "words": "error: no",
    }
    help_text = call("hdc", "status", "--help", cwd=tmp_path, check=True).stdout
    assert not [key for key in (*found, *job) if f"`{key}`" not in help_text]


def test_a_study_is_found_by_name_or_folder(call, study, tmp_path):
    by_name = call("hdc", "status", "planted", cwd=tmp_path, check=True).stdout
    by_folder = call("hdc", "status", "results/planted", cwd=tmp_path, check=True).stdout
    assert by_name == by_folder
    study.rename(study.with_name("demo"))
    default = call("hdc", "status", cwd=tmp_path, check=True).stdout
    assert default == by_name.replace("results/planted", "results/demo")


def test_it_watches_until_it_is_interrupted(monkeypatch, capsys, study):
    def sleep(seconds):
        if capsys.readouterr().out.count("jobs done") != 1:
            raise AssertionError
        undo(study, "embed") if stand(study, "embed")["state"] == "done" else interrupt()

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("hdc.commands.status.time.sleep", sleep)
    status(study, every_seconds=5.0)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan"])
def test_a_wrong_time_to_wait_is_refused(call, tmp_path, text):
    done = call("hdc", "status", f"--watch={text}", cwd=tmp_path)
    assert done.returncode == 2
    assert f"expected a number of seconds above 0, got {text}" in done.stderr


def test_it_imports_nothing_that_takes_long(study, root):
    code = (
        "import sys; from pathlib import Path; from hdc.__main__ import main\n"
        f"sys.argv = ['hdc', 'status', {str(study)!r}]; main()\n"
        "slow = {'torch', 'torchvision', 'snakemake', 'pandas', 'numpy', 'scipy', 'omegaconf'}\n"
        "print(sorted(slow & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_it_changes_nothing(study, hold):
    """Neither a file nor its time; and a process that wants a lock gets it while it looks."""
    undo(study, "pretrain", "error: no\n")
    undo(study, "embed", "")
    put(lock_of(study, "pretrain"), json.dumps({"host": "elsewhere", "process": 7}))
    hold(lock_of(study, "finetune"))

    def everything():
        paths = sorted(study.parent.rglob("*"))
        return [(p, p.stat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in paths]

    time.sleep(0.5)  # the lock's first beat
    before = everything()
    assert shown(study) == shown(study)
    assert everything() == before


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-3, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200.4, "3 min 20 s"),
     (3599.7, "1 h 00 min"), (7500, "2 h 05 min"), (86399, "1 d 00 h"), (360000, "4 d 04 h")],
)  # fmt: skip
def test_times_in_words(seconds, words):
    assert duration(seconds) == words


def test_last_words_of_a_long_log(tmp_path):
    log = put(tmp_path / "log", "step\n" * 100_000 + "error: at last\n")
    assert last_words(log) == ("failed", "error: at last")
    assert last_words(tmp_path / "none") == ("", "")
    assert re.fullmatch("step", last_words(put(log, "step\n\n"))[1])
