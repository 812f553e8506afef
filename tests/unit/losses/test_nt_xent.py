import math

import pytest
import torch
from torch.testing import assert_close

from hdc.losses.nt_xent import nt_xent


def slow_nt_xent(first, second, temperature):
    """The same quantity, one pair at a time and in float64."""
    rows = [*first.double(), *second.double()]
    videos = len(first)

    def score(i, j):
        cosine = torch.dot(rows[i], rows[j]) / (rows[i].norm() * rows[j].norm())
        return math.exp(cosine / temperature)

    costs = []
    for i in range(2 * videos):
        partner = (i + videos) % (2 * videos)
        others = sum(score(i, j) for j in range(2 * videos) if j != i)
        costs.append(-math.log(score(i, partner) / others))
    return sum(costs) / len(costs)


@pytest.fixture
def clips():
    return torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("temperature", [0.1, 1])
def test_equals_the_slow_form(clips, temperature):
    expected = slow_nt_xent(*clips, temperature)
    assert_close(nt_xent(*clips, temperature=temperature).item(), expected, rtol=1e-5, atol=0)


def test_by_hand():
    """Two videos at right angles: each row has its partner at cosine 1 and two others at 0."""
    first = torch.eye(2)
    expected = -math.log(math.e / (math.e + 2))
    assert_close(nt_xent(first, first, temperature=1).item(), expected)


def test_indistinguishable_videos_cost_the_log_of_their_number_less_one():
    same = torch.ones(5, 8)
    assert_close(nt_xent(same, same, temperature=0.1).item(), math.log(2 * 5 - 1))


def test_groups_count_equally_and_do_not_mix(clips):
    groups = torch.randn(2, 3, 6, 16, generator=torch.Generator().manual_seed(1))
    each = [nt_xent(groups[0, i], groups[1, i], temperature=0.1) for i in range(3)]
    assert_close(nt_xent(*groups, temperature=0.1), torch.stack(each).mean())


def test_ignores_the_length_of_embeddings(clips):
    first, second = clips
    scaled = nt_xent(3 * first, second, temperature=0.1)
    assert_close(scaled, nt_xent(first, second, temperature=0.1))


def test_does_not_care_which_side_is_first(clips):
    first, second = clips
    assert_close(nt_xent(first, second, temperature=0.1), nt_xent(second, first, temperature=0.1))


def test_gradient_reaches_every_clip(clips):
    clips.requires_grad_()
    nt_xent(*clips, temperature=0.1).backward()
    assert (clips.grad.norm(dim=-1) > 0).all()


def test_half_precision_does_not_round_similarities(clips):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = nt_xent(*clips, temperature=0.1)
    assert_close(mixed, nt_xent(*clips, temperature=0.1))


def test_refuses_a_single_video():
    with pytest.raises(ValueError, match="at least 2 videos"):
        nt_xent(torch.ones(1, 8), torch.ones(1, 8), temperature=0.1)


@pytest.mark.parametrize("temperature", [0, -0.1, math.nan])
def test_refuses_a_temperature_that_is_not_positive(temperature):
    with pytest.raises(ValueError, match="temperature above 0"):
        nt_xent(torch.ones(2, 8), torch.ones(2, 8), temperature=temperature)


def test_refuses_unequal_shapes():
    with pytest.raises(Exception, match=r"two equal shapes|Type-check"):
        nt_xent(torch.ones(2, 8), torch.ones(3, 8), temperature=0.1)
