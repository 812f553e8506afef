"""A training step on a GPU that is not there: tensors that know their device, without numbers.

Forward only: a backward pass asks for a CUDA context.
"""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hdc.data.augment import Steps, changed
from hdc.data.draws import NUMBERS
from hdc.encoders.build import build_encoder
from hdc.objectives.build import build_task
from hdc.runtime.sending import sent
from hdc.settings.compose import compose_run, plain, typed

GPU = torch.device("cuda", 0)
ROOT = Path(__file__).parents[3]
ABLATIONS = sorted(path.stem for path in (ROOT / "ablations").glob("*.yaml"))
READS_A_NUMBER = ("aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero")


class Waiting(TorchDispatchMode):
    """Notes each operator that makes the processor wait for the GPU."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if torch.is_tensor(leaf)]
        name, devices = operator.name(), {tensor.device.type for tensor in tensors}
        asynchronous = name == "aten::_to_copy" and (kwargs or {}).get("non_blocking")
        scalars = name != "aten::_to_copy" and all(
            tensor.ndim == 0 for tensor in tensors if tensor.device.type == "cpu"
        )  # a number that goes along with a launch
        if name in READS_A_NUMBER or (len(devices) > 1 and not asynchronous and not scalars):
            self.seen.append((name, [(tensor.device.type, tensor.shape) for tensor in tensors]))
        return result


@pytest.fixture
def fake(monkeypatch):
    """Tensors without numbers; memory that a GPU reads from needs one, and so do first weights."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(torch.nn.init, "trunc_normal_", lambda tensor, **_: tensor)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def step(ablation, backbone):
    """What waited in the forward pass of a training step, augmentation included."""
    run = compose_run(ablation, backbone=backbone, data="synthetic_smoke", scale="smoke")
    objective, pretrain = typed(run, "objective", "pretrain")
    with GPU:
        encoder = build_encoder(plain(run.backbone), seed=0)
        frozen = {
            f"{subtask}_{level}": 0.5
            for subtask in ("spatial", "temporal")
            for level in encoder.levels
        }
        labels = pd.Series(["one", "other"] * 2)
        told = {"seed": 0, "steps": 10, "frames": 16, "frozen": frozen}
        task = build_task(encoder, pretrain, objective, labels, **told)
        clips = torch.empty(4, 16, 40, 53, 3, dtype=torch.uint8)
    with Waiting() as waiting:
        numbers = sent(torch.empty(4, len(NUMBERS) + 1), GPU)
        seen = changed(clips, numbers, Steps(*[True] * 5), pixels=32)
        found = task(dict.fromkeys(task.views, seen), sent(torch.arange(4), GPU), 3)
        values = [tensor.device.type for tensor in found.columns().values()]
    assert set(values) == {"cuda"}
    return waiting.seen


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_no_step_of_an_ablation_waits_for_the_gpu(fake, ablation):
    assert step(ablation, "r3d18") == []


@pytest.mark.parametrize("backbone", ["c3d", "r2plus1d10", "s3d", "swin3d_t", "mvit_v2_s"])
def test_no_step_of_a_backbone_waits_for_the_gpu(fake, backbone):
    assert step("hdc", backbone) == []


@pytest.mark.parametrize(
    "fault",
    [
        lambda there: there.add(torch.ones(3).to(GPU)),  # a copy that is waited for
        lambda there: there[torch.tensor([0, 2])],  # an index that lies on the processor
        lambda there: there[there > 0],  # whose size nobody knows before
        lambda there: there.cpu(),
    ],
)
def test_what_waits_is_seen(fake, fault):
    there = torch.ones(3, device=GPU)
    with Waiting() as waiting:
        try:
            fault(there)
        except RuntimeError as error:  # that of tensors without numbers
            waiting.seen.append(error)
    assert waiting.seen
