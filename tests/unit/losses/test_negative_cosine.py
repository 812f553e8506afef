import pytest
import torch
from torch.testing import assert_close

from hdc.losses.negative_cosine import negative_cosine


def slow_negative_cosine(prediction, target):
    """The same quantity, one row at a time."""
    cosines = [
        torch.dot(a, b) / (a.norm() * b.norm()) for a, b in zip(prediction, target, strict=True)
    ]
    return -sum(cosines) / len(cosines)


@pytest.fixture
def rows():
    return torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))


def test_equals_the_slow_form_and_its_gradient(rows):
    prediction, target = rows.double()
    prediction.requires_grad_()
    found, expected = (loss(prediction, target) for loss in (negative_cosine, slow_negative_cosine))
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(loss, prediction) for loss in (found, expected)))
    assert_close(negative_cosine(*rows).item(), expected.item(), rtol=1e-5, atol=0)


def test_by_hand():
    """Cosines of 1, 0 and 3/5."""
    prediction = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 4.0]])
    target = torch.tensor([[5.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert_close(negative_cosine(prediction, target).item(), -1.6 / 3)


def test_from_minus_one_to_one(rows):
    assert_close(negative_cosine(rows[0], rows[0]).item(), -1.0)
    assert_close(negative_cosine(rows[0], -rows[0]).item(), 1.0)


def test_half_the_squared_distance_of_unit_rows_less_one(rows):
    """As BYOL writes it."""
    prediction, target = torch.nn.functional.normalize(rows, dim=-1)
    byol = (prediction - target).square().sum(-1).mean()
    assert_close(2 + 2 * negative_cosine(*rows), byol)
