import pytest
import torch
from torch.testing import assert_close

from hdc.backbones.level import Level
from hdc.losses.nt_xent import nt_xent
from hdc.objectives.terms import Terms, pool
from hdc.runtime.errors import InputError
from hdc.settings.objective import Head, Objective, Term, View

CHANNELS = {"layer2": 16, "layer3": 24, "layer4": 32}
LEVELS = {
    name: Level(channels, 2 ** (place + 1), 4 * 2**place)
    for place, (name, channels) in enumerate(CHANNELS.items())
}
VIEWS = {"a": View(1, "a"), "b": View(1, "b"), "c": View(2, "c")}
NT_XENT = {"_target_": "hdc.losses.nt_xent.nt_xent", "temperature": 0.1}


def term(pairs, pool="clip", **changes):
    values = {"weights": [0.25, 0.5, 1.0], "head": Head(5), "loss": NT_XENT}
    match = "same_time" if pool == "space" else None
    return Term(pairs=pairs, pool=pool, **({"match": match} | values | changes))


SPATIAL, TEMPORAL = term([["a", "b"]], pool="space"), term([["a", "c"]])


def settings(**changes):
    values = {
        "views": VIEWS,
        "terms": {"spatial": SPATIAL, "temporal": TEMPORAL},
        "weighting": "fixed",
        "measured_by": None,
        "measuring_decay": 0.9,
        "measuring_floor": 0.05,
        "measuring_from": 0.1,
    }
    return Objective(**(values | changes))


def build(changed=None, **arguments):
    arguments = {"seed": 0, "total_steps": 20, "frames": 16} | arguments
    return Terms(changed or settings(), LEVELS, **arguments)


@pytest.fixture
def features():
    """Three views of four videos at three levels."""
    random = torch.Generator().manual_seed(0)
    shapes = {"layer2": (8, 4, 4), "layer3": (4, 2, 2), "layer4": (2, 1, 1)}
    return {
        view: {
            level: torch.randn(4, CHANNELS[level], *shape, generator=random)
            for level, shape in shapes.items()
        }
        for view in VIEWS
    }


def by_name(found):
    """The terms of a loss by their names."""
    return {term.name: term for term in found.terms}


def test_pooling():
    features = torch.arange(48.0).view(1, 2, 3, 2, 4)  # (video, channel, time, height, width)
    assert_close(pool(features, "space")[0, 2, 1], features[0, 1, 2].mean())
    assert pool(features, "space").shape == (1, 3, 2)
    assert_close(pool(features, "clip")[0, 1], features[0, 1].mean())


def test_loss_is_the_weighted_mean_of_the_terms(features):
    contrast = build()
    found = contrast(features, step=0)
    weights = {"layer2": 0.25, "layer3": 0.5, "layer4": 1.0}
    expected = sum(weights[term.level] * term.loss for term in found.terms) / 3.5
    assert [term.name for term in found.terms] == contrast.weights.names
    assert len(found.terms) == 6
    assert_close(found.loss, expected)


def test_terms_compare_the_views_they_name(features):
    contrast = build()
    terms = by_name(contrast(features, step=0))
    a, b, c = (features[view]["layer4"] for view in "abc")
    head = contrast.heads["spatial_layer4"]
    first, second = (head(view.mean(dim=(3, 4)).transpose(1, 2)) for view in (a, b))
    moments = [nt_xent(first[:, t], second[:, t], temperature=0.1) for t in range(2)]
    assert_close(terms["spatial_layer4"].loss, sum(moments) / 2)
    head = contrast.heads["temporal_layer4"]
    first, second = (head(view.mean(dim=(2, 3, 4))) for view in (a, c))
    assert_close(terms["temporal_layer4"].loss, nt_xent(first, second, temperature=0.1))


def test_a_view_that_no_term_uses_is_not_computed(features):
    alone = {"spatial": None, "temporal": term([["a", "c"]], weights=[1.0])}
    contrast = build(settings(terms=alone))
    assert list(contrast.views) == ["a", "c"]
    del features["b"]
    found = contrast(features, step=0)
    [only] = found.terms
    assert contrast.weights.names == [only.name] == ["temporal_layer4"]
    assert (only.subtask, only.level) == ("temporal", "layer4")
    assert_close(found.loss, only.loss)


def test_gradients_reach_every_view_and_head(features):
    contrast = build()
    tables = [table.requires_grad_() for view in features.values() for table in view.values()]
    contrast(features, step=0).loss.backward()
    assert all((table.grad.flatten(1).norm(dim=1) > 0).all() for table in tables)
    assert all(weight.grad.abs().sum() > 0 for weight in contrast.parameters())


def test_space_pooling_needs_two_time_steps(features):
    for view in features.values():
        view["layer4"] = view["layer4"][:, :, :1]
    with pytest.raises(InputError, match="at least 2 time steps at layer4"):
        build()(features, step=0)


def test_more_levels_than_the_backbone_has():
    many = settings(terms={"temporal": term([["a", "c"]], weights=[1.0] * 4)})
    with pytest.raises(InputError, match="expected at most 3, one for each level"):
        build(many)


def test_measured_weights_follow_invariance_after_equal_ones(features):
    contrast = build(settings(weighting="measured"))
    for step in range(4):
        terms = contrast(features, step=step).terms
        weights = torch.stack([term.weight for term in terms])
        found = torch.stack([term.invariance for term in terms])
        if step < 2:  # a tenth of 20 steps
            assert_close(weights, torch.ones(6))
        else:  # the same batch each step: the running mean is the value itself
            assert_close(weights, found.clamp(min=0.05))


def test_measured_weights_are_part_of_the_state(features):
    first = build(settings(weighting="measured"))
    for step in range(5):
        first(features, step=step)
    again = build(settings(weighting="measured"))
    again.load_state_dict(first.state_dict())
    assert_close(again(features, step=5).loss, first(features, step=5).loss)


def test_frozen_weights_are_those_that_were_measured(features):
    frozen = {name: 0.1 * place for place, name in enumerate(build().weights.names)}
    contrast = build(settings(weighting="frozen", measured_by="x"), frozen=frozen)
    terms = by_name(contrast(features, step=9))
    assert terms["spatial_layer2"].weight == pytest.approx(0.05)  # the floor
    assert terms["temporal_layer4"].weight == pytest.approx(0.5)
    with pytest.raises(
        InputError, match="expected the invariance of temporal_layer4 in the record"
    ):
        del frozen["temporal_layer4"]
        build(settings(weighting="frozen", measured_by="x"), frozen=frozen)
