"""Snakemake, its jobs or both are interrupted in each stage; one command recovers every case.

What the recovered study made is compared byte by byte with what an undisturbed one did, and the
numbers of its records; where the report is interrupted also its tables, but for `cost`, which holds
times. The whole matrix is `slow`; CI runs one case a stage.
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

RUNS, REPORT = "results/smoke/runs/**", "results/smoke/report.html"
STAGES = {  # what to delete so that a stage, and all after it, runs again
    "prepare": ["results/data", "results/smoke"],
    "pretrain": ["results/smoke"],
    "finetune": [f"{RUNS}/finetune.json", REPORT],
    "embed": [f"{RUNS}/features.safetensors", f"{RUNS}/evaluate.json", REPORT],
    "evaluate": [f"{RUNS}/evaluate.json", REPORT],
    "report": [REPORT],
}
SIGNALS = ("SIGINT", "SIGTERM", "SIGKILL")
TARGETS = ("job", "snakemake", "both")
CI = (
    ("prepare", "SIGKILL", "both"),
    ("pretrain", "SIGTERM", "job"),
    ("finetune", "SIGKILL", "snakemake"),
    ("embed", "SIGTERM", "snakemake"),
    ("evaluate", "SIGINT", "both"),
    ("report", "SIGKILL", "job"),
)
REST = [case for case in itertools.product(STAGES, SIGNALS, TARGETS) if case not in CI]
STUDY = ("--configfile", "config/mine.yaml")
MADE = (
    "encoder.safetensors", "views.png", "features.safetensors", "predictions.csv", "outcomes.csv",
    "map.csv", "neighbors.png",
)  # fmt: skip
UNLOCK = ("snakemake", "--unlock", *STUDY)  # what the README says to do before the same again


def run(stage):
    """The study; without its report, which takes as long as all before it, where it has no part."""
    until = () if stage == "report" else ("--omit-from", "report")
    return ("snakemake", "--cores", "1", *STUDY, *until)


ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
}


@pytest.fixture(scope="module")
def undisturbed(module_workplace, call):
    """A finished study of one run."""
    folder = module_workplace
    study = yaml.safe_load((folder / "config/smoke.yaml").read_text())
    study |= {"backbones": ["r3d18"], "ablations": ["hdc"], "skip": []}
    (folder / "config/mine.yaml").write_text(yaml.safe_dump(study))
    call(*run("report"), cwd=folder, check=True)
    return folder


def jobs(folder, stage=None):
    """Processes of a stage, or of any, that work in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().decode().split("\0")
            here = (place / "cwd").resolve() == folder.resolve()
        except OSError:
            continue
        of_stage = [word for word in words if word.startswith("hdc.")]
        if here and of_stage and (stage is None or of_stage[0] == f"hdc.{stage}"):
            found.append(int(place.name))
    return found


def interrupt(folder, stage, number, target):
    """Start the study and send the signal once the stage is at work; wait until nothing runs."""
    child = subprocess.Popen(
        run(stage),
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (found := jobs(folder, stage)) and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert found, f"{stage} was not run"
    time.sleep(2.5 if stage in ("pretrain", "finetune", "embed") else 0.7)
    for process in ([child.pid] if target != "job" else []) + (
        found if target != "snakemake" else []
    ):
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue
    child.wait(timeout=300)
    while jobs(folder):  # one that Snakemake left behind ends by itself
        assert time.monotonic() < deadline + 300
        time.sleep(0.1)


def made(folder, *, report):
    """What a study made: its files, the numbers of its records, and tables if there shall be."""
    runs, found = folder / "results/smoke/runs", {}
    for path in sorted(runs.rglob("*")):
        if path.name in MADE:
            found[path.relative_to(runs)] = path.read_bytes()
        elif path.suffix == ".json":
            record = json.loads(path.read_text())
            record["metrics"].pop("clips_per_second", None)
            found[path.relative_to(runs)] = record["metrics"], record["inputs"], record["protocol"]
    tables = sorted((folder / "results/smoke/tables").iterdir()) if report else ()
    return found | {path.name: path.read_bytes() for path in tables if path.stem != "cost"}


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="jobs are found through /proc")
@pytest.mark.parametrize(
    ("stage", "name", "target"),
    [*CI, *(pytest.param(*case, marks=pytest.mark.slow) for case in REST)],
)
def test_one_command_recovers(undisturbed, call, tmp_path, stage, name, target):
    folder = tmp_path / "study"
    shutil.copytree(undisturbed, folder)
    for pattern in STAGES[stage]:
        for path in list(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    interrupt(folder, stage, getattr(signal, name), target)
    for command in (UNLOCK, run(stage)):
        call(*command, cwd=folder, check=True)
    report = stage == "report"
    expected = made(undisturbed, report=report)
    assert len(expected) >= len(MADE) + 3 and made(folder, report=report) == expected
    assert not list(folder.glob("results/**/*.partial")) and not list(folder.glob("**/state"))
