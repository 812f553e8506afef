import pytest
import torch
from torch.testing import assert_close

from hdc.losses.barlow_twins import barlow_twins


def slow_column(rows, j):
    """Dimension j of every row, brought to mean 0 and variance 1."""
    mean = sum(row[j] for row in rows) / len(rows)
    variance = sum((row[j] - mean) ** 2 for row in rows) / len(rows)
    return [(row[j] - mean) / torch.sqrt(variance + 1e-5) for row in rows]


def slow_barlow_twins(first, second, off_diagonal):
    """The same quantity, one pair of dimensions at a time."""
    videos, dim = first.shape
    cost = 0
    for j in range(dim):
        for k in range(dim):
            pairs = zip(slow_column(first, j), slow_column(second, k), strict=True)
            correlation = sum(a * b for a, b in pairs) / videos
            cost = cost + ((1 - correlation) ** 2 if j == k else off_diagonal * correlation**2)
    return cost


@pytest.fixture
def views():
    return torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("off_diagonal", [0, 0.005, 1])
def test_equals_the_slow_form_and_its_gradient(views, off_diagonal):
    rows = views.double().requires_grad_()
    found = barlow_twins(*rows, off_diagonal=off_diagonal)
    expected = slow_barlow_twins(*rows, off_diagonal)
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(loss, rows)[0] for loss in (found, expected)))
    single = barlow_twins(*views, off_diagonal=off_diagonal).item()
    assert_close(single, expected.item(), rtol=1e-5, atol=0)


def test_by_hand():
    """Correlations 1 and -1 on the diagonal, -1 and 1 off it."""
    first = torch.tensor([[100.0, 100.0], [-100.0, -100.0]])
    second = torch.tensor([[100.0, -100.0], [-100.0, 100.0]])
    assert_close(barlow_twins(first, second, off_diagonal=0.5).item(), (1 - -1) ** 2 + 0.5 * 2)


def test_dimensions_that_go_with_themselves_only_cost_nothing():
    independent = 100 * torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    found = barlow_twins(independent, independent, off_diagonal=1)
    assert_close(found, torch.zeros(()), rtol=0, atol=1e-6)


def test_a_dimension_that_does_not_vary_goes_with_none(views):
    views[..., 0] = 7
    rest = barlow_twins(*views[..., 1:], off_diagonal=1)
    assert_close(barlow_twins(*views, off_diagonal=1), rest + 1)


def test_ignores_scale_and_offset(views):
    first, second = 10 * views  # well above the epsilon
    moved = barlow_twins(3 * first - 2, second, off_diagonal=0.1)
    assert_close(moved, barlow_twins(first, second, off_diagonal=0.1), rtol=1e-4, atol=0)
