"""Heads on a frozen encoder, against torch's own attention and heads that are trained alone."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from hdc.encoders.build import build_encoder
from hdc.objectives.frozen_encoder import CONTROLS, AttentivePool, FrozenTask
from hdc.objectives.supervised import CLIP
from hdc.runtime.errors import InputError
from hdc.settings.schema import Frozen

BACKBONE = {"_target_": "hdc.backbones.resnet3d.r3d18", "width": 0.0625}  # 32 channels at the end
TARGETS = np.array([0, 1, 2, 1])


def settings(head, **changes):
    return Frozen(
        head=head, attention_heads=4 if head == "attentive" else None, optimizer="sgd",
        learning_rate=0.1, momentum=0.9, weight_decay=0.0, warmup_epochs=0.0, schedule="constant",
        dropout=0.0, **changes,
    )  # fmt: skip


def task(head):
    return FrozenTask(
        build_encoder(BACKBONE, seed=0), TARGETS, labels=3, seed=0, settings=settings(head)
    )


def clips(names):
    random = torch.Generator().manual_seed(1)
    return {name: torch.randn(4, 3, 16, 16, 16, generator=random) for name in names}


@pytest.mark.parametrize("head", ["linear", "attentive"])
def test_only_heads_learn_and_batch_norms_stay(head):
    model = task(head).train()
    before = copy.deepcopy(model.encoder.state_dict())
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    torch.optim.SGD(learning, lr=0.1).zero_grad()
    model(clips(model.views), range(4), 0).loss.backward()
    torch.optim.SGD(learning, lr=0.1).step()
    assert not model.encoder.training and model.heads.training
    assert all(torch.equal(before[name], x) for name, x in model.encoder.state_dict().items())
    assert all(weight.grad is not None for weight in model.heads.parameters())
    assert not any(
        name.startswith("encoder") for name, w in model.named_parameters() if w in set(learning)
    )


def test_every_head_learns_as_if_it_were_alone():
    """Three steps of all, beside three of a plain loss on the features of one control."""
    model = task("linear").train()
    alone = copy.deepcopy(model.heads["reversed"])
    together = torch.optim.SGD(model.heads.parameters(), lr=0.1)
    single = torch.optim.SGD(alone.parameters(), lr=0.1)
    shown = clips(model.views)
    with torch.no_grad():
        features = [*model.encoder(shown["reversed"]).values()][-1].mean(dim=(2, 3, 4))
    for step in range(3):
        together.zero_grad()
        model(shown, range(4), step).loss.backward()
        together.step()
        mean, variance = features.mean(dim=0), features.var(dim=0, unbiased=False)
        scores = alone[1]((features - mean) / (variance + 1e-5).sqrt())
        single.zero_grad()
        F.cross_entropy(scores, torch.tensor(TARGETS)).backward()
        single.step()
    assert_close(model.heads["reversed"][1].weight, alone[1].weight)


def test_heads_start_alike_and_see_the_same_crops():
    model = task("attentive")
    first = model.heads[CLIP].state_dict()
    for control in CONTROLS:
        other = model.heads[control].state_dict()
        assert all(torch.equal(first[name], other[name]) for name in first)
    assert {(view.crop, view.draw) for view in model.views.values()} == {(1, "a")}


def test_the_attentive_pool_is_a_block_of_cross_attention():
    """One query, torch's own multi-head attention over all places, and a perceptron."""
    pool = AttentivePool(8, heads=2).eval()
    attend = pool.attend
    plain = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        plain.in_proj_weight.copy_(torch.cat([attend.q.weight, attend.kv.weight]))
        plain.in_proj_bias.copy_(torch.cat([attend.q.bias, attend.kv.bias]))
        plain.out_proj.load_state_dict(attend.proj.state_dict())
    features = torch.randn(3, 8, 2, 4, 5)
    places = torch.stack(
        [features[:, :, t, y, x] for t in range(2) for y in range(4) for x in range(5)], dim=1
    )
    places = F.layer_norm(places, (8,), pool.norm.weight, pool.norm.bias)
    seen, _ = plain(attend.latent.expand(3, -1, -1), places, places)
    expected = seen + attend.mlp(attend.norm(seen))
    assert_close(pool(features), expected[:, 0])
    order = torch.randperm(2)
    assert_close(pool(features[:, :, order]), pool(features))  # it is told no time


def test_attention_heads_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"expected a divisor of 32, the channels .* got 5"):
        AttentivePool(32, heads=5)
