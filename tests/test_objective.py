import pytest
import torch
from torch.testing import assert_close

from hdc.errors import InputError
from hdc.losses.nt_xent import nt_xent
from hdc.objective import HierarchicalContrast, pool, spatial_contrast, temporal_contrast
from hdc.settings import Objective, Subtask, View

CHANNELS = {"layer2": 16, "layer3": 24, "layer4": 32}
VIEWS = {"a": View(1, "a"), "b": View(1, "b"), "c": View(2, "c")}


def settings(**changes):
    values = {
        "views": VIEWS,
        "spatial": Subtask(pairs=[["a", "b"]], pooling="space"),
        "temporal": Subtask(pairs=[["a", "c"]], pooling="clip"),
        "levels": 3,
        "spatial_weights": [0.25, 0.5, 1.0],
        "temporal_weights": [0.25, 0.5, 1.0],
        "temperature": 0.1,
        "head_dim": 5,
    }
    return Objective(**(values | changes))


@pytest.fixture
def features():
    """Three views of four videos at three levels."""
    random = torch.Generator().manual_seed(0)
    shapes = {"layer2": (8, 4, 4), "layer3": (4, 2, 2), "layer4": (2, 1, 1)}
    return {
        name: torch.randn(12, CHANNELS[name], *shape, generator=random)
        for name, shape in shapes.items()
    }


def test_spatial_contrast_is_nt_xent_at_each_time_step():
    first, second = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0)).double()
    steps = [nt_xent(first[:, t], second[:, t], temperature=0.1) for t in range(3)]
    found = spatial_contrast(first, second, temperature=0.1)
    assert_close(found, torch.stack(steps).mean())


def test_temporal_contrast_is_nt_xent():
    first, second = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    found = temporal_contrast(first, second, temperature=0.1)
    assert_close(found, nt_xent(first, second, temperature=0.1))


@pytest.mark.parametrize("contrast", [spatial_contrast, temporal_contrast])
def test_contrasts_refuse_other_shapes(contrast):
    with pytest.raises(Exception, match=r"needs|Type-check"):
        contrast(torch.ones(2, 3, 4, 5), torch.ones(2, 3, 4, 5), temperature=0.1)


def test_pooling():
    features = torch.arange(48.0).view(1, 2, 3, 2, 4)  # (video, channel, time, height, width)
    assert_close(pool(features, "space")[0, 2, 1], features[0, 1, 2].mean())
    assert pool(features, "space").shape == (1, 3, 2)
    assert_close(pool(features, "clip")[0, 1], features[0, 1].mean())


def test_loss_is_the_weighted_mean_of_the_terms(features):
    contrast = HierarchicalContrast(settings(), CHANNELS)
    loss, terms = contrast(features)
    weights = {"layer2": 0.25, "layer3": 0.5, "layer4": 1.0}
    expected = sum(weights[name.split("_")[1]] * term for name, term in terms.items()) / 3.5
    assert len(terms) == 6
    assert_close(loss, expected)


def test_terms_compare_the_views_they_name(features):
    contrast = HierarchicalContrast(settings(), CHANNELS)
    _, terms = contrast(features)
    a, b, c = features["layer4"].chunk(3)
    head = contrast.heads["spatial_layer4"]
    first, second = (head(view.mean(dim=(3, 4)).transpose(1, 2)) for view in (a, b))
    assert_close(terms["spatial_layer4"], spatial_contrast(first, second, temperature=0.1))
    head = contrast.heads["temporal_layer4"]
    first, second = (head(view.mean(dim=(2, 3, 4))) for view in (a, c))
    assert_close(terms["temporal_layer4"], temporal_contrast(first, second, temperature=0.1))


def test_a_view_that_no_term_uses_is_not_computed(features):
    one_level = {"levels": 1, "spatial_weights": [1.0], "temporal_weights": [1.0]}
    contrast = HierarchicalContrast(settings(spatial=None, **one_level), CHANNELS)
    assert list(contrast.views) == ["a", "c"]
    loss, terms = contrast({name: table[:8] for name, table in features.items()})
    assert list(terms) == ["temporal_layer4"]
    assert_close(loss, terms["temporal_layer4"])


def test_gradients_reach_every_view_and_head(features):
    contrast = HierarchicalContrast(settings(), CHANNELS)
    for table in features.values():
        table.requires_grad_()
    contrast(features)[0].backward()
    assert all((table.grad.flatten(1).norm(dim=1) > 0).all() for table in features.values())
    assert all(weight.grad.abs().sum() > 0 for weight in contrast.parameters())


def test_space_pooling_needs_two_time_steps(features):
    features["layer4"] = features["layer4"][:, :, :1]
    with pytest.raises(InputError, match="at least 2 time steps at layer4"):
        HierarchicalContrast(settings(), CHANNELS)(features)


def test_more_levels_than_the_backbone_has():
    weights = [1.0] * 4
    many = settings(levels=4, spatial_weights=weights, temporal_weights=weights)
    with pytest.raises(InputError, match="at most the backbone's 3"):
        HierarchicalContrast(many, CHANNELS)
