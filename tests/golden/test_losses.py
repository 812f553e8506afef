"""The first steps of the smoke run of hdc: a change that claims to alter no result alters none.

Processors round differently and training magnifies that (by a factor of thousands in twenty steps),
so what must hold on any of them is taken before the weights move, or just after. The later losses
are compared on the recorded machine, there to the last bit.

Recorded anew, on purpose, with `python tests/golden/test_losses.py`, which says what it wrote.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "smoke_hdc.json"
CHOICES = ("data=synthetic_smoke", "scale=smoke", "backbone=r3d18", "ablation=hdc", "seed=0")
LOSSES, ANYWHERE, BATCHES, THREADS = 20, 2, 3, 1
TOLERANCE = 1e-4


def machine():
    """What decides the last digits: the processor, its threads and the versions that compute."""
    import av
    import numpy
    import torch
    import torchvision

    return {
        **{module.__name__: module.__version__ for module in (torch, torchvision, numpy, av)},
        "processor": processor_facts(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": THREADS,
    }


def processor_facts():
    """The processor's name and what else tells it from others that a cloud gives the same name."""
    from hdc.runtime.record import processor

    path = Path("/proc/cpuinfo")
    lines = path.read_text().split("\n\n")[0].splitlines() if path.is_file() else []
    facts = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    asked = ("cpu family", "model", "stepping", "cache size")
    return ", ".join([processor(), *(f"{key} {facts[key]}" for key in asked if key in facts)])


def stage(module, *words):
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS)}
    command = [sys.executable, "-m", f"hdc.{module}", *words]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)


def trained(prepared, output):
    """The losses of the stage's first steps."""
    places = (f"prepared={prepared}", "split=1", f"output_dir={output}")
    stage("pretrain", *CHOICES, *places, "progress.log_every_steps=1")
    lines = (output / "log.jsonl").read_text().splitlines()[:LOSSES]
    return [json.loads(line)["loss"] for line in lines]


def at_first_weights(prepared):
    """Norms of the first weights, losses and terms of some batches, the gradient of the first.

    The weights come from the seed; only the last bits of a normal draw differ by processor.
    """
    import torch

    from hdc.data.views import augmented
    from hdc.encoders.build import build_encoder
    from hdc.objectives.build import build_task
    from hdc.pretrain import STAGE, clip_batches, read_videos

    words = (f"prepared={prepared}", "split=1", "output_dir=unused")
    job = STAGE.read([*CHOICES, *words])
    videos = read_videos(job)
    batches = clip_batches(job, videos, batch_size=job.pretrain.batch_size)
    encoder, labels = build_encoder(job.network, seed=0), videos.index.label
    told = {"seed": 0, "steps": LOSSES, "frames": job.clip.frames}
    model = build_task(encoder, job.pretrain, job.objective, labels, **told)
    found = {"weights": norms(model, lambda weight: weight), "batches": []}
    for make in batches.epoch(0, views=model.views)[:BATCHES]:
        views = augmented(make(), pixels=job.clip.pixels, device=torch.device("cpu"))
        batch = model(views, [], 0)
        terms = {term.name: term.loss.item() for term in batch.terms}
        found["batches"].append({"loss": batch.loss.item()} | terms)
        if "gradients" not in found:
            batch.loss.backward()
            found["gradients"] = norms(model, lambda weight: weight.grad)
    return found


def norms(model, tensor_of):
    """Norm by group: a stage of the encoder, or a head."""
    squares = {}
    for name, weight in model.named_parameters():
        parts = name.split(".")
        group = ".".join(parts[: 3 if parts[0] == "objective" else 2])
        squares[group] = squares.get(group, 0.0) + tensor_of(weight).double().square().sum().item()
    return {group: square**0.5 for group, square in squares.items()}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden") / "synthetic_smoke"
    stage("prepare", "data=synthetic_smoke", f"output_dir={folder}")
    return folder


@pytest.fixture(scope="module")
def losses(prepared, tmp_path_factory):
    return trained(prepared, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # of GPUs, whatever flag is set
@pytest.mark.parametrize("library", [True, False], ids=["onednn", "plain"])
def test_first_weights_losses_and_gradients_are_the_recorded_ones(golden, prepared, library):
    """Also with other convolutions, which round as another processor does."""
    import torch

    with torch.backends.mkldnn.flags(enabled=library):
        found = at_first_weights(prepared)
    recorded = golden["at_first_weights"]
    assert found["weights"] == pytest.approx(recorded["weights"], rel=1e-6)
    assert len(found["batches"]) == len(recorded["batches"]) == BATCHES
    for terms, expected in zip(found["batches"], recorded["batches"], strict=True):
        assert terms == pytest.approx(expected, abs=TOLERANCE)
    assert found["gradients"] == pytest.approx(recorded["gradients"], rel=TOLERANCE)


def test_the_first_steps_are_the_recorded_ones(golden, losses):
    assert len(losses) == len(golden["losses"]) == LOSSES
    assert losses[:ANYWHERE] == pytest.approx(golden["losses"][:ANYWHERE], abs=TOLERANCE)


def test_every_loss_is_the_recorded_one_on_the_recorded_machine(golden, losses):
    here = machine()
    there = golden["machine"]
    differ = [f"{key} {there[key]}, here {here[key]}" for key in here if there[key] != here[key]]
    if differ:
        pytest.skip(f"recorded on another machine: {'; '.join(differ)}")
    assert losses == golden["losses"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "synthetic_smoke"
        stage("prepare", "data=synthetic_smoke", f"output_dir={place}")
        record = {
            "machine": machine(),
            "at_first_weights": at_first_weights(place),
            "losses": trained(place, Path(folder) / "run"),
        }
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(record, indent=1) + "\n")
    print(f"recorded {LOSSES} losses in {GOLDEN}")
