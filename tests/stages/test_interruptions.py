"""Snakemake, its jobs or both are interrupted in each stage; one command recovers every case.

Tables of the recovered study are compared byte by byte with those of an undisturbed one, but for
`cost`, which holds times. The whole matrix is `slow`; CI runs one case a stage.
"""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

STAGES = {  # what to delete so that a stage, and all after it, runs again
    "prepare": ["results/data", "results/smoke"],
    "pretrain": ["results/smoke"],
    "finetune": ["results/smoke/runs/**/finetune.json", "results/smoke/report.html"],
    "embed": ["results/smoke/runs/**/features.safetensors", "results/smoke/report.html"],
    "evaluate": ["results/smoke/runs/**/evaluate.json", "results/smoke/report.html"],
    "report": ["results/smoke/report.html"],
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
RUN = ("snakemake", "--cores", "1", *STUDY)
UNLOCK = ("snakemake", "--unlock", *STUDY)  # what the README says to do before the same again
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
    call(*RUN, cwd=folder, check=True)
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
        RUN,
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


def tables(folder):
    paths = sorted((folder / "results/smoke/tables").iterdir())
    return {path.name: path.read_bytes() for path in paths if path.stem != "cost"}


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
    for command in (UNLOCK, RUN):
        call(*command, cwd=folder, check=True)
    assert tables(folder) == tables(undisturbed)
    assert not list(folder.glob("results/**/*.partial")) and not list(folder.glob("**/state"))
