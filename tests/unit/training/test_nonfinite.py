"""The first tensor that is not finite is named, and the advice is about its cause."""

import pytest
import torch
from planted_layers import PlantedConv3d, nan
from torch import nn
from toy_task import ToyTask

from hdc.runtime.errors import InputError
from hdc.runtime.fabric import start_fabric
from hdc.settings.schema import Optimization, Progress
from hdc.training.nonfinite import explain, gradients_finite
from hdc.training.trainer import Training

CLIPS = torch.randn(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))


class Overflow(nn.Module):
    """Gives infinity, always or in autocast only."""

    def __init__(self, *, always):
        super().__init__()
        self.always = always

    def forward(self, clips):
        broken = self.always or torch.is_autocast_enabled("cpu")
        return clips / 0.0 if broken else clips


def around(layer):
    return nn.Sequential(nn.Conv3d(3, 3, 3, padding=1), layer, nn.ReLU(inplace=True))


def explained(model, *, clips=CLIPS, precision="32-true", step=5, again=None):
    inside = torch.autocast("cpu", torch.bfloat16, enabled=precision != "32-true")
    again = again or (lambda one: one(clips).float().square().mean())
    return explain(model, again, precision=precision, inside=inside, step=step)


def test_a_gradient_of_a_weight_is_named():
    model = around(PlantedConv3d(3, 3, 3, change=nan, always=True))
    assert explained(model) == "the first was the gradient of 1.weight; lower the learning rate"


def test_a_gradient_of_an_output_is_named_before_what_follows_from_it():
    model = around(PlantedConv3d(3, 3, 3, change=lambda one: one, always=True))

    def again(one):
        output = one(CLIPS)
        output.register_hook(nan)
        return output.mean()

    assert explained(model, again=again).startswith("the first was the gradient of the output of ")


@pytest.mark.parametrize(
    ("step", "advice"),
    [(5, "lower the learning rate"), (0, "no step was made before, so the learning rate is not")],
)
def test_an_output_is_named(step, advice):
    text = explained(around(Overflow(always=True)), step=step)
    assert text.startswith(f"the first was the output of 1 (Overflow); {advice}")


def test_reduced_precision_is_blamed_where_float32_is_finite():
    for layer in (Overflow(always=False), PlantedConv3d(3, 3, 3, change=nan)):
        text = explained(around(layer), precision="bf16-mixed", step=0)
        assert "in float32 the same step is finite, so bf16-mixed is the cause: set prec" in text
    text = explained(around(Overflow(always=True)), precision="bf16-mixed")
    assert text.endswith("; lower the learning rate")


def test_videos_weights_and_what_happens_once():
    model = around(nn.Identity())
    text = explained(model, clips=CLIPS / 0)
    assert text.startswith("the first was what the model was given; look at the videos")
    assert "this device does not compute the same twice; run hdc doctor" in explained(model)
    with torch.no_grad():
        model[0].bias[1] = torch.inf
    assert explained(model) == "the first was 0.bias, before the step; lower the learning rate"


def test_training_stops_before_a_gradient_that_is_not_finite_reaches_a_weight(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings = Optimization(
        epochs=1, batch_size=2, optimizer="sgd", learning_rate=0.1, momentum=0.9,
        weight_decay=0.0, warmup_epochs=0.0, schedule="cosine", precision="32-true", compile=False,
        deterministic=False,
    )  # fmt: skip
    model = around(PlantedConv3d(3, 3, 3, change=nan, always=True))
    training = Training(
        ToyTask(model), settings, Progress(1, 5.0, workers=0, devices=1, tensorboard=False),
        fabric=start_fabric("32-true"), epochs=1, steps_per_epoch=2, folder=tmp_path, name="a",
        log_name="log.jsonl",
    )  # fmt: skip
    views = {"clip": CLIPS.to(training.fabric.device)}
    before = [weight.detach().clone() for weight in training.model.parameters()]
    words = "got a gradient that is not at step 0 .*; the first was the gradient of encoder.1.w"
    with pytest.raises(InputError, match=words):
        for _ in range(2):  # on a GPU it is the next step that finds it
            training.take_step(views, [0, 1])
    assert all(map(torch.equal, before, training.model.parameters()))
    assert not list((tmp_path / "state").glob("*/*.pt"))


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_a_fused_optimizer_moves_nothing_where_it_is_told_so(optimizer):
    """What holds a GPU's weights until somebody looks at the step."""
    model = nn.Linear(3, 1)
    stepping = optimizer(model.parameters(), lr=0.1, weight_decay=0.1, fused=True)
    for scale, moves in ((1.0, True), (float("nan"), False)):
        before = [weight.detach().clone() for weight in model.parameters()]
        stepping.zero_grad()
        (model(torch.ones(2, 3)).mean() * scale).backward()
        stepping.found_inf = (~gradients_finite(model)).float()
        stepping.step()
        assert all(map(torch.equal, before, model.parameters())) != moves
