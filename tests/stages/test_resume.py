"""Whole stages that are killed or asked to stop, against undisturbed ones, byte by byte."""

import os
import signal
import subprocess
import sys
import time

import pytest

CHOICES = ["scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "ablation=hdc", "seed=0"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
QUICK = {
    "pretrain": ["pretrain.batch_size=4", "pretrain.epochs=3"],
    "finetune": [
        "finetune.batch_size=4",
        "finetune.epochs=3",
        "finetune.checkpoint=best_on_validation",
    ],
}


@pytest.fixture(scope="module")
def encoder(call, root, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    words = [*CHOICES, *QUICK["pretrain"], f"prepared={tiny}", "split=1", f"output_dir={folder}"]
    call("hdc.pretrain", *words, cwd=root, check=True)
    return folder / "encoder.safetensors"


@pytest.fixture
def words(tiny, encoder):
    """The command line of a stage without its output."""

    def make(stage):
        given = [f"encoder={encoder}"] if stage == "finetune" else []
        return [*CHOICES, *QUICK[stage], *given, f"prepared={tiny}", "split=1"]

    return make


@pytest.mark.parametrize(
    ("stage", "count"),
    [
        ("pretrain", 5),
        ("finetune", 3),
        pytest.param("pretrain", 20, marks=pytest.mark.slow),
        pytest.param("finetune", 20, marks=pytest.mark.slow),
    ],
)
def test_killed_anywhere_it_ends_in_the_same_bytes(root, tmp_path, words, stage, count):
    command = [sys.executable, "tests/support/kill_points.py", stage, str(count), str(tmp_path)]
    done = subprocess.run(
        [*command, *words(stage)], cwd=root, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "log.txt").read_text()
    assert done.stdout.count("-9") > count // 2  # they did die


EVERYTHING = (  # a teacher, queues and predictors in one run
    "ablation=hdc_moco",
    "objective.terms.temporal.head={batch_norm: true, predictor: 8}",
    "objective.export=teacher",
)
KINDS = (
    "moco", "hdc_byol", "simsiam", "hdc_vicreg", "pace", "rotation_and_pace", "difference",
    "frames_and_flow", "appearance_and_motion", "learned_weights", "equal_gradients",
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        (EVERYTHING, 4),
        (("ablation=rotation_and_pace",), 3),
        *(pytest.param((f"ablation={kind}",), 20, marks=pytest.mark.slow) for kind in KINDS),
    ],
    ids=lambda value: (
        value[0].removeprefix("ablation=") if isinstance(value, tuple) else str(value)
    ),
)
def test_other_objectives_killed_anywhere_end_in_the_same_bytes(
    root, tmp_path, tiny, call, changes, count
):
    """What a teacher, a queue and learned weights hold is part of the state, too."""
    if "flow" in changes[0]:
        call("hdc.flow", "data=synthetic_smoke", f"prepared={tiny}", cwd=root, check=True)
    plain = [word for word in CHOICES if not word.startswith("ablation=")]
    words = [*plain, *changes, *QUICK["pretrain"], f"prepared={tiny}", "split=1"]
    command = [sys.executable, "tests/support/kill_points.py", "pretrain", str(count)]
    done = subprocess.run(
        [*command, str(tmp_path), *words], cwd=root, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "log.txt").read_text()
    assert done.stdout.count("-9") > count // 2  # they did die


SIGNALLED = """
import os, sys
from importlib import import_module
from hdc.training.trainer import Training

stage, number = sys.argv.pop(1), int(sys.argv.pop(1))
note = Training._note

def noted(self, *arguments):
    note(self, *arguments)
    if self.step == 2:
        os.kill(os.getpid(), number)

Training._note = noted
module = import_module(f"hdc.{stage}")
module.STAGE.run(module.main)
"""


def start(root, stage, words, output):
    """A stage that saves each step, once it has saved the first."""
    extra = ["progress.save_every_minutes=1e-9", f"output_dir={output}"]
    command = [sys.executable, "-m", f"hdc.{stage}", *words, *extra]
    child = subprocess.Popen(
        command,
        cwd=root,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while child.poll() is None and not list((output / "state").glob("*/*.pt")):
        time.sleep(0.01)
    return child


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("pretrain", signal.SIGTERM),
        ("finetune", signal.SIGUSR1),
        pytest.param("pretrain", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("finetune", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_and_ends_with_the_stated_code(call, root, tmp_path, words, stage, number):
    """The process signals itself, so that the step does not depend on how fast the machine is."""
    given = [*words(stage), f"output_dir={tmp_path}"]
    command = [sys.executable, "-c", SIGNALLED, stage, str(int(number)), *given]
    stopped = subprocess.run(command, cwd=root, env=ENVIRONMENT, capture_output=True, text=True)
    assert stopped.returncode == 75, stopped.stderr
    assert stopped.stderr.startswith(f"stopped: by {number.name} after step 2 of ")
    assert stopped.stderr.count("\n") == 1
    assert not (tmp_path / "encoder.safetensors").exists()
    done = call(f"hdc.{stage}", *given, cwd=root)
    assert done.returncode == 0 and "resuming at step 2 of" in done.stdout, done.stderr


def test_a_second_writer_stops_with_the_name_of_the_first(call, root, tmp_path, words):
    first = start(root, "pretrain", [*words("pretrain"), "pretrain.epochs=500"], tmp_path)
    second = call("hdc.pretrain", *words("pretrain"), f"output_dir={tmp_path}", cwd=root)
    assert first.poll() is None
    first.kill()
    first.communicate()
    assert second.returncode == 1 and second.stderr.count("\n") == 1
    assert f"found process {first.pid} on {os.uname().nodename}" in second.stderr


def test_a_folder_that_cannot_be_written(call, root, tmp_path, words):
    """A file where a folder should be: also for root, whom no permission stops."""
    (tmp_path / "out").write_text("in the way")
    words = [*words("pretrain"), f"output_dir={tmp_path / 'out'}"]
    done = call("hdc.pretrain", *words, cwd=root)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ") and "out" in done.stderr
