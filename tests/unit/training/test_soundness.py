"""Reduced precision is believed only where every layer computes what float64 does."""

import itertools
import re

import pytest
import torch
from planted_layers import PlantedConv3d, nan
from torch import nn
from toy_task import ToyTask

from hdc.encoders.build import build_encoder
from hdc.runtime.errors import InputError
from hdc.runtime.fabric import start_fabric
from hdc.training.soundness import TRIES, check_layers, require_sound

CPU = torch.device("cpu")
CLIPS = (4, 3, 4, 6, 6)


def network(change):
    """Sound layers around a planted one, at shapes that are sound where bf16 is not."""
    return nn.Sequential(
        nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4), PlantedConv3d(4, 4, 3, change=change)
    )


def check(change, precision="bf16-mixed"):
    return check_layers(network(change), CLIPS, device=CPU, precision=precision)


def test_a_sound_network_is_right_to_rounding():
    build = {"_target_": "hdc.backbones.resnet3d.r3d18", "width": 0.0625}
    encoder = build_encoder(build, seed=0)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    found = check_layers(encoder, (4, 3, 8, 16, 16), device=CPU, precision="32-true")
    assert found.problem is None and found.layers > 10 and 0 < found.error < 1e-3
    assert all(torch.equal(before[name], one) for name, one in encoder.state_dict().items())
    assert 0.0005 < check(lambda gradient: gradient).error < 0.01  # that of bf16


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (nan, f"is not finite in {TRIES} of {TRIES} tries"),
        (lambda gradient: 1.1 * gradient, rf"is off by up to 1\d(\.\d)? % in {TRIES} of {TRIES}"),
    ],
)
def test_a_wrong_gradient_is_found_and_named(change, words):
    where = r"2 \(PlantedConv3d\) on \(4, 4, 4, 6, 6\): the gradient of its weight "
    assert re.search(where + words, check(change).problem)
    assert check(change, "32-true").problem is None


def test_one_wrong_try_is_enough():
    tries = itertools.count()

    def sometimes(gradient):
        return nan(gradient) if next(tries) == TRIES - 1 else gradient

    assert f"is not finite in 1 of {TRIES} tries" in check(sometimes).problem


def test_a_read_of_what_nobody_wrote_shows():
    def unwritten(gradient):
        # Which of all freed places of its size a tensor gets is up to the allocator: take them all.
        places = [torch.empty(gradient.shape) for _ in range(4096)]
        return gradient + 0.0 * torch.stack(places).sum(0)

    assert "not finite" in check(unwritten).problem


def is_bf16_broken_here():
    """Of the shape that is known to go wrong on some processors, without the code under test."""
    for _ in range(20):
        convolution = nn.Conv3d(32, 32, 3, padding=1, bias=False)
        clips = torch.randn(48, 32, 2, 1, 1)
        dirt = [torch.full((32 * 32 * 27,), float("nan")) for _ in range(3)]
        del dirt
        with torch.autocast("cpu", torch.bfloat16):
            output = convolution(clips)
        gradient = torch.randn_like(output)
        [found] = torch.autograd.grad(output, convolution.weight, gradient)
        weight = convolution.weight.detach().double().requires_grad_()
        exact = nn.functional.conv3d(clips.double(), weight, padding=1)
        [expected] = torch.autograd.grad(exact, weight, gradient.double())
        if not (found - expected).norm() < 0.05 * expected.norm():
            return True
    return False


def test_the_verdict_on_this_processor_is_that_of_float64():
    convolution = nn.Conv3d(32, 32, 3, padding=1, bias=False)
    found = check_layers(convolution, (48, 32, 2, 1, 1), device=CPU, precision="bf16-mixed")
    assert (found.problem is not None) == is_bf16_broken_here()


def test_training_is_refused_on_a_processor_that_is_wrong(monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    fabric = start_fabric("bf16-mixed")
    if fabric.device.type != "cpu":
        pytest.skip("a GPU trains here")
    told = {"fabric": fabric, "key": "pretrain.precision"}
    with pytest.raises(InputError) as error:
        require_sound(ToyTask(network(nan)), CLIPS, [0] * 4, **told)
    text = str(error.value)
    assert text.startswith("pretrain.precision: expected bf16-mixed to be right on this processor")
    assert text.endswith(" of 5 tries; set it to 32-true") and "encoder.2 (PlantedConv3d)" in text
    sound = ToyTask(network(lambda one: one))
    require_sound(sound, CLIPS, [0] * 4, **told)
    assert "bf16-mixed: 3 layers agree with float64, the worst to 0." in capsys.readouterr().out
    always = ToyTask(PlantedConv3d(3, 3, 3, change=nan, always=True))
    require_sound(always, CLIPS, [0] * 4, fabric=start_fabric("32-true"), key="pretrain.precision")


def test_norms_and_pools_are_layers_to_be_checked(monkeypatch):
    from hdc.backbones.window_max_pool import WindowMaxPool3d

    layers = [nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU(), WindowMaxPool3d(2, 2, 2)]
    found = check_layers(nn.Sequential(*layers), CLIPS, device=CPU, precision="bf16-mixed")
    assert found.layers == 3  # a ReLU is its own definition
    pool = WindowMaxPool3d.forward
    broken = lambda layer, x: pool(layer, x) * (1.0 if x.dtype == torch.float64 else 1.1)  # noqa: E731
    monkeypatch.setattr(WindowMaxPool3d, "forward", broken)
    found = check_layers(nn.Sequential(*layers), CLIPS, device=CPU, precision="bf16-mixed")
    assert "3 (WindowMaxPool3d) on (4, 4, 4, 6, 6): the output is off by up to 10" in found.problem
