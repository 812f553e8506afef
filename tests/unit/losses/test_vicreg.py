import math

import pytest
import torch
from torch.testing import assert_close

from hdc.losses.vicreg import vicreg

TERMS = ["invariance", "variance", "covariance"]


def slow_covariance(rows, j, k):
    """Of dimensions j and k, unbiased."""
    means = [sum(row[i] for row in rows) / len(rows) for i in (j, k)]
    return sum((row[j] - means[0]) * (row[k] - means[1]) for row in rows) / (len(rows) - 1)


def slow_terms(first, second):
    """The three terms, one number at a time."""
    videos, dim = first.shape
    differences = [(first[i, j] - second[i, j]) ** 2 for i in range(videos) for j in range(dim)]
    variance = covariance = 0
    for rows in (first, second):
        for j in range(dim):
            spread = torch.sqrt(slow_covariance(rows, j, j) + 1e-4)
            variance = variance + torch.clamp(1 - spread, min=0) / dim / 2
            for k in range(dim):
                if k != j:
                    covariance = covariance + slow_covariance(rows, j, k) ** 2 / dim
    return sum(differences) / len(differences), variance, covariance


@pytest.fixture
def views():
    """Some dimensions spread by more than 1 and some by less."""
    random = torch.Generator().manual_seed(0)
    return torch.randn(2, 6, 4, generator=random) * torch.tensor([0.2, 0.6, 1.5, 3])


@pytest.mark.parametrize("weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (25, 25.0, 1)])
def test_equals_the_slow_form_and_its_gradient(views, weights):
    rows = views.double().requires_grad_()
    chosen = dict(zip(TERMS, weights, strict=True))
    found = vicreg(*rows, **chosen)
    terms = slow_terms(*rows)
    expected = sum(weight * term for weight, term in zip(weights, terms, strict=True))
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(loss, rows)[0] for loss in (found, expected)))
    assert_close(vicreg(*views, **chosen).item(), expected.item(), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        # 1 of 4 numbers differs, by 1.
        ("invariance", 1 / 4),
        # Variances 2 and 1/2 here, 2 and 0 there.
        ("variance", ((1 - math.sqrt(0.5001)) / 2 + (1 - math.sqrt(0.0001)) / 2) / 2),
        # Covariance 1 here, 0 there; it stands twice off the diagonal, over 2 dimensions.
        ("covariance", 1.0),
    ],
)
def test_by_hand(term, expected):
    first = torch.tensor([[0.0, 0.0], [2.0, 1.0]])
    second = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    weights = {**dict.fromkeys(TERMS, 0), term: 1}
    assert_close(vicreg(first, second, **weights).item(), expected)


def test_does_not_care_which_side_is_first(views):
    weights = dict.fromkeys(TERMS, 1)
    assert_close(vicreg(*views, **weights), vicreg(*views.flip(0), **weights))


def test_one_dimension_repeats_no_other(views):
    assert vicreg(*views[..., :1], invariance=0, variance=0, covariance=1) == 0
