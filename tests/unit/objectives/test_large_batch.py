"""A batch in chunks or over processes against the whole: the same loss and the same gradients."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch.testing import assert_close

from hdc.encoders.build import build_encoder
from hdc.objectives.self_supervised import self_supervised_task
from hdc.settings.compose import compose_run

VIDEOS = 8


def model(ablation="hdc", *, chunk=None):
    run = compose_run(ablation, backbone="r3d18", data="synthetic_smoke", scale="smoke")
    objective = OmegaConf.to_object(run.objective)
    encoder = build_encoder(dict(run.backbone), seed=0)
    told = {"seed": 0, "total_steps": 10, "frames": 16}
    return self_supervised_task(encoder, objective, **told, chunk=chunk)


def clips(network):
    """Clips by view, as training hands them over."""
    random = torch.Generator().manual_seed(0)
    return {view: torch.randn(VIDEOS, 3, 16, 24, 24, generator=random) for view in network.views}


def gradients_of(network):
    """By weight; a teacher has none."""
    named = network.named_parameters()
    return {name: weight.grad for name, weight in named if not name.startswith("teacher.")}


def step(network):
    """Loss, terms and gradients of one backward pass."""
    found = network(clips(network), list(range(VIDEOS)), 0)
    found.loss.backward()
    gradients = gradients_of(network)
    return found.loss, found.columns(), gradients


@pytest.mark.parametrize("chunk", [1, 3, 8])
@pytest.mark.parametrize(
    "ablation", ["hdc", "coupled_three_views", "spatial_any_time", "hdc_moco", "byol"]
)
def test_chunks_give_the_gradients_of_the_whole(ablation, chunk):
    """With batch norm in evaluation mode, where a video's features depend on no other video."""
    whole, loss_of_parts = step(model(ablation).eval()), step(model(ablation, chunk=chunk).eval())
    assert_close(loss_of_parts[0], whole[0])
    assert_close(loss_of_parts[1], whole[1])
    assert_close(loss_of_parts[2], whole[2], rtol=1e-4, atol=1e-5)


def test_one_chunk_is_the_whole_in_training_too():
    networks = [model(), model(chunk=VIDEOS)]
    whole, one_chunk = (step(network.train()) for network in networks)
    assert_close(one_chunk[2], whole[2], rtol=1e-4, atol=1e-5)
    states = [network.state_dict() for network in networks]
    assert_close(states[1], states[0])  # running statistics are counted once, not twice


def test_small_chunks_are_another_network_in_training():
    """Batch norm sees a chunk at a time: what the documentation says of it."""
    whole, chunked = step(model().train()), step(model(chunk=2).train())
    assert (whole[0] - chunked[0]).abs() > 1e-4


def test_activations_are_kept_for_one_chunk_only():
    """Saved for the backward pass: without chunks everything, with chunks next to nothing."""

    def saved(network):
        sizes = []

        def pack(tensor):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(clips(network), list(range(VIDEOS)), 0)
        return sum(sizes)

    assert saved(model(chunk=2).train()) < saved(model().train()) / 5  # its own clips are kept


PROCESS = """
import sys
import torch
from lightning_fabric import Fabric
from test_large_batch import KINDS, VIDEOS, clips, gradients_of, model

fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
torch.set_num_threads(1)
results = {}
for ablation, chunk in KINDS:
    network = model(ablation, chunk=chunk).eval()
    wrapped = fabric.setup(network)
    half = VIDEOS // 2
    mine = slice(fabric.global_rank * half, (fabric.global_rank + 1) * half)
    own = {view: table[mine] for view, table in clips(network).items()}
    found = wrapped(own, list(range(VIDEOS))[mine], 0)
    fabric.backward(found.loss)
    grads = gradients_of(network)
    terms = {name: term.detach() for name, term in found.columns().items()}
    results[f"{ablation} {chunk}"] = {"loss": found.loss.detach(), "terms": terms, "grads": grads}
if fabric.is_global_zero:
    torch.save(results, sys.argv[1])
"""
KINDS = (
    ("hdc", None), ("hdc", 2), ("hdc_byol", None), ("hdc_moco", 2), ("equal_gradients", None),
)  # fmt: skip


@pytest.fixture(scope="module")
def of_two_processes(tmp_path_factory):
    """What two processes compute, each of half of the videos, by chunk."""
    folder = tmp_path_factory.mktemp("processes")
    script, path = folder / "process.py", folder / "found.pt"
    script.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{PROCESS}")
    command = [sys.executable, str(script), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(("ablation", "chunk"), KINDS)
def test_two_processes_give_the_gradients_of_one(of_two_processes, ablation, chunk):
    found = of_two_processes[f"{ablation} {chunk}"]
    loss, terms, grads = step(model(ablation).eval())
    assert_close(found["loss"], loss.detach())
    assert_close(found["terms"], {name: term.detach() for name, term in terms.items()})
    assert_close(found["grads"], grads, rtol=1e-4, atol=1e-5)
