import pytest
import torch
from torch.testing import assert_close

from hdc.objectives.equal_gradients import equal_gradients

SHARES = {"layer3": torch.tensor(0.25), "layer4": torch.tensor(0.75)}


def gradients(change):
    """What reaches the features of each level, of losses that pull them unequally hard."""
    random = torch.Generator().manual_seed(0)
    levels = {
        name: torch.randn(2, 3, 4, 2, 2, generator=random).requires_grad_() for name in SHARES
    }
    seen = change(levels)
    (100 * seen["layer3"].square().sum() + seen["layer4"].sin().sum()).backward()
    return {name: level.grad for name, level in levels.items()}


def test_lengths_are_divided_by_the_shares_and_directions_stay():
    before = gradients(lambda levels: levels)
    after = gradients(lambda levels: equal_gradients(levels, SHARES))
    total = sum(gradient.norm() for gradient in before.values())
    for name, share in SHARES.items():
        assert after[name].norm().item() == pytest.approx((share * total).item(), rel=1e-5)
        assert_close(after[name] / after[name].norm(), before[name] / before[name].norm())


def test_features_stay_and_a_level_without_a_gradient_breaks_nothing():
    levels = {name: torch.ones(1, 1, 1, 1, 1, requires_grad=True) for name in SHARES}
    seen = equal_gradients(levels, SHARES)
    assert all(torch.equal(seen[name], levels[name]) for name in SHARES)
    seen["layer4"].sum().backward()
    assert levels["layer4"].grad.item() == pytest.approx(0.75)
    assert levels["layer3"].grad.item() == 0
