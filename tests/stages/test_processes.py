"""A pretraining on two processes of a processor, as a job of Slurm would start it, and stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SLURM = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "snakemake", "SLURM_NTASKS": "1",
         "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}  # fmt: skip

SUPPORT = Path(__file__).parents[1] / "support"
ENVIRONMENT = os.environ | {  # of scripts that use what tests share
    "OMP_NUM_THREADS": "2",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(SUPPORT), os.environ.get("PYTHONPATH")])),
}


@pytest.fixture
def command(tiny, tmp_path):
    choices = ["scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "ablation=hdc", "seed=0"]
    more = ["progress.devices=2", "pretrain.epochs=20", "progress.log_every_steps=1"]
    folders = [f"prepared={tiny}", "split=1", f"output_dir={tmp_path / 'run'}"]
    return [sys.executable, "-m", "hdc.pretrain", *choices, *more, *folders]


def test_stopped_it_saves_leaves_with_75_and_goes_on(command, tmp_path):
    environment = os.environ | SLURM | {"OMP_NUM_THREADS": "2"}
    log = tmp_path / "run/log.jsonl"
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as job:
        until = time.monotonic() + 120
        while not (log.is_file() and log.read_text().count("\n") >= 2):
            assert time.monotonic() < until and job.poll() is None
            time.sleep(0.05)
        job.send_signal(signal.SIGTERM)
        _, errors = job.communicate(timeout=120)
    assert job.returncode == 75, errors
    assert "the state is saved, run the same again to go on" in errors
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=True
    )
    assert "resuming at step " in done.stdout
    record = json.loads((tmp_path / "run/pretrain.json").read_text())
    assert record["device"].startswith("2 x ")
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert steps == list(range(1, record["metrics"]["steps"] + 1))


PROCESSES = """
import sys
from pathlib import Path
import torch
from toy_task import ToyTask, take_step
from hdc.objectives.pretext_task import TaskLoss
from hdc.runtime.errors import InputError
from hdc.runtime.fabric import start_fabric
from hdc.settings.schema import Optimization, Progress
from hdc.training.trainer import Training

fabric = start_fabric("32-true", devices=2)
settings = Optimization(
    epochs=1, batch_size=2, optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.0,
    warmup_epochs=0.0, schedule="cosine", precision="32-true", compile=False, deterministic=False,
)
progress = Progress(2, save_every_minutes=5.0, workers=0, devices=2, tensorboard=False)

def start(folder):
    return Training(
        ToyTask(), settings, progress, fabric=fabric, epochs=1, steps_per_epoch=2,
        folder=Path(folder), name="settings", log_name="log.jsonl",
    )

training = start(sys.argv[1])
for step in range(2):
    found = training.model({"clip": torch.ones(2, 3, 1, 1, 1)}, [0, 1], step)
    loss = found.loss * 0 + 5.0 + 2 * fabric.global_rank
    accuracy = torch.tensor(0.5 * fabric.global_rank)
    training.update(TaskLoss(loss, (), {"training_accuracy": accuracy}), clips=2)

first = start(sys.argv[2])
take_step(first, torch.ones(2, 3))
first.save()
fabric.barrier()
try:
    start(sys.argv[2 + fabric.global_rank])
except InputError as error:
    print(f"{fabric.global_rank}: {error}", flush=True)
"""


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """A folder in which two processes trained, and what they said when they began again."""
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "process.py"
    script.write_text(PROCESSES)
    command = [sys.executable, str(script), *(str(folder / name) for name in ("log", "a", "b"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_log_holds_means_over_processes(two_processes):
    """As of labels, which each process learns of its own videos: 5 and 7, 0 and a half."""
    line = json.loads((two_processes[0] / "log/log.jsonl").read_text())
    assert (line["loss"], line["training_accuracy"]) == (6.0, 0.25)


def test_processes_that_see_different_states_do_not_go_on(two_processes):
    """As on a network file system that shows one of them an older state, here none."""
    folder, said = two_processes
    for process in "01":
        assert f"{process}: {folder}" in said
    assert said.count("expected all processes to see the same newest state") == 2


def test_no_process_outlives_the_first_one(command, tmp_path):
    """It would hold a GPU that the next job claims."""
    log = tmp_path / "run/log.jsonl"
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as job:
        wait_for(lambda: log.is_file() and log.read_text(), job)
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        training = [child for child in children if b"hdc.pretrain" in command_line(child)]
        assert training
        job.kill()
    until = time.monotonic() + 30
    while any(b"hdc.pretrain" in command_line(child) for child in training):
        assert time.monotonic() < until
        time.sleep(0.05)


def command_line(process):
    """Of a process that may be gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_for(condition, job):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until and job.poll() is None
        time.sleep(0.05)
