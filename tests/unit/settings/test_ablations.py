"""Every file in ablations/, and some of them on every backbone: asks, learns, changes something."""

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from hdc.objectives.build import build_encoders
from hdc.objectives.self_supervised import self_supervised_task
from hdc.objectives.supervised import SupervisedTask
from hdc.settings.compose import compose_run, settings_text
from hdc.settings.files import allowed
from hdc.settings.reads import EMBED_READS, EVALUATE_READS, FINETUNE_READS, PRETRAIN_READS

RUNS = allowed("ablation")
CHANGES = [name for name in RUNS if name != "hdc"]
READS = {*PRETRAIN_READS, *FINETUNE_READS, *EMBED_READS, *EVALUATE_READS}
ON_ALL = ("hdc", "flow", "hdc_moco", "rotation_and_pace", "supervised")  # of each kind one
VIDEOS = 3


def compose(run, backbone="r3d18"):
    tiny = ["backbone.model=test_resnet"] if backbone == "timm2plus1d" else []
    return compose_run(
        run, backbone=backbone, data="synthetic_smoke", scale="smoke", overrides=tiny
    )


def build(run, backbone):
    composed = OmegaConf.to_object(compose(run, backbone))
    made = (composed.backbone, composed.pretrain, composed.objective)
    encoder, others = build_encoders(*made, seed=0)
    if composed.pretrain.labels:
        return SupervisedTask(encoder, np.array([0, 1, 0]), labels=2, seed=0)
    terms = [f"{task}_{level}" for task in ("spatial", "temporal") for level in encoder.levels]
    told = {"seed": 0, "total_steps": 10, "frames": composed.clip.frames}
    frozen = dict.fromkeys(terms, 0.5)
    return self_supervised_task(encoder, composed.objective, **told, frozen=frozen, others=others)


def clips(model):
    """Random clips by view."""
    random = torch.Generator().manual_seed(0)
    channels = {name: 2 if view.input == "flow" else 3 for name, view in model.views.items()}
    return {
        name: torch.randn(VIDEOS, number, 16, 16, 16, generator=random)
        for name, number in channels.items()
    }


def variants(model):
    """How the clips were varied, where a run asks for that."""
    return {name: torch.tensor([0, 1, 0]) for name, view in model.views.items() if view.vary}


@pytest.mark.parametrize("run", RUNS)
def test_asks_a_question_and_says_where_the_paper_is(run):
    about = compose(run).about
    assert about.question.endswith("?") and about.paper


@pytest.mark.parametrize("run", CHANGES)
def test_changes_something(run):
    assert settings_text(compose(run), sorted(READS)) != settings_text(
        compose("hdc"), sorted(READS)
    )


@pytest.mark.parametrize("run", CHANGES)
def test_pretrains_again_exactly_if_its_pretraining_differs(run):
    trained_as = compose(run).pretrained_by
    same = settings_text(compose(run), PRETRAIN_READS) == settings_text(
        compose(trained_as or "hdc"), PRETRAIN_READS
    )
    assert same == (trained_as is not None)


@pytest.mark.parametrize("run", [name for name in RUNS if name != "supervised"])
def test_weights_in_use_sum_to_one(run):
    """By how much the loss moves with each of its terms, after equal weights and measured ones."""
    model = build(run, "r3d18")
    for step in (0, 5):
        found = model(clips(model), list(range(VIDEOS)), step, variants(model))
        shares = torch.autograd.grad(found.loss, [term.loss for term in found.terms])
        assert sum(shares).item() == pytest.approx(1)
        assert all(share > 0 for share in shares)


@pytest.mark.parametrize(
    ("run", "backbone"),
    [(run, "r3d18") for run in RUNS]
    + [(run, name) for name in allowed("backbone") for run in ON_ALL if name != "r3d18"],
)
def test_takes_a_step_in_one_forward_pass(run, backbone):
    model = build(run, backbone)
    passes = []
    model.encoder.register_forward_hook(lambda *_: passes.append(1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss = model(clips(model), list(range(VIDEOS)), 0, variants(model)).loss
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss) and len(passes) == 1
    still = [
        name
        for name, weight in model.named_parameters()
        if weight.requires_grad
        and not name.startswith("teacher.")
        and (weight.grad is None or not weight.grad.abs().sum() > 0)
    ]
    if "hdc.backbones.image" in type(model.encoder).__module__ or backbone == "timm2plus1d":
        # timm starts its residual branches at zero
        still = [name for name in still if not name.startswith("encoder.frames.")]
    assert not still


def test_views_of_the_runs():
    """Which crops and draws each run looks at: the table of docs/method.md."""
    seen = {
        run: {
            name: (view.crop, view.draw, view.still)
            for name, view in build(run, "r3d18").views.items()
        }
        for run in ("hdc", "coupled", "coupled_three_crops", "shared_augmentation", "spatial_still")
    }  # fmt: skip
    assert seen["hdc"] == {"a": (1, "a", False), "b": (1, "b", False), "c": (2, "c", False)}
    assert seen["coupled"] == {"a": (1, "a", False), "c": (2, "c", False)}
    assert seen["coupled_three_crops"]["b"] == (3, "b", False)
    assert seen["shared_augmentation"]["c"] == (2, "a", False)
    assert seen["spatial_still"] == {
        "a": (1, "a", False), "c": (2, "c", False), "d": (1, "a", True), "e": (1, "b", True),
    }  # fmt: skip


def test_hdc_and_coupled_start_from_the_same_encoder():
    first, second = (build(run, "r3d18").encoder.state_dict() for run in ("hdc", "coupled"))
    assert all(torch.equal(first[name], second[name]) for name in first)
