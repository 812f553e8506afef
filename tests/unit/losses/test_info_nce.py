import math

import pytest
import torch
from torch.testing import assert_close

from hdc.losses.info_nce import info_nce


def cosine(a, b):
    return torch.dot(a, b) / (a.norm() * b.norm())


def slow_info_nce(query, key, queue, temperature):
    """The same quantity, one query at a time."""
    costs = []
    for row, own in zip(query, key, strict=True):
        positive = torch.exp(cosine(row, own) / temperature)
        negatives = sum(torch.exp(cosine(row, other) / temperature) for other in queue)
        costs.append(-torch.log(positive / (positive + negatives)))
    return sum(costs) / len(costs)


@pytest.fixture
def rows():
    random = torch.Generator().manual_seed(0)
    return [torch.randn(count, 5, generator=random) for count in (4, 4, 7)]


@pytest.mark.parametrize("temperature", [0.07, 1])
def test_equals_the_slow_form_and_its_gradient(rows, temperature):
    query, *rest = (tensor.double() for tensor in rows)
    query.requires_grad_()
    found = info_nce(query, *rest, temperature=temperature)
    expected = slow_info_nce(query, *rest, temperature)
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(loss, query) for loss in (found, expected)))
    assert_close(
        info_nce(*rows, temperature=temperature).item(), expected.item(), rtol=1e-5, atol=0
    )


def test_by_hand():
    """The key at cosine 1, the queue at 0 and -1."""
    query = torch.tensor([[1.0, 0.0]])
    queue = torch.tensor([[0.0, 2.0], [-3.0, 0.0]])
    expected = -math.log(math.e / (math.e + 1 + 1 / math.e))
    assert_close(info_nce(query, query, queue, temperature=1).item(), expected)


def test_the_keys_of_other_videos_are_no_negatives(rows):
    query, key, queue = rows
    each = [
        info_nce(query[i : i + 1], key[i : i + 1], queue, temperature=0.1)
        for i in range(len(query))
    ]
    assert_close(info_nce(*rows, temperature=0.1), torch.stack(each).mean())


def test_ignores_the_length_of_embeddings(rows):
    scaled = [factor * tensor for factor, tensor in zip((2, 3, 4), rows, strict=True)]
    assert_close(info_nce(*scaled, temperature=0.1), info_nce(*rows, temperature=0.1))


def test_indistinguishable_keys_cost_the_log_of_their_number():
    same = torch.ones(5, 8)
    assert_close(info_nce(same, same, torch.ones(6, 8), temperature=0.1).item(), math.log(7))
