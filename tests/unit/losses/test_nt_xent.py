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


def slow_with_others(first, second, others, temperature):
    """The loss with further negatives, one row at a time and in double precision."""
    videos, rows = len(first), [*first, *second]

    def score(a, b):
        return torch.exp(torch.dot(a, b) / (a.norm() * b.norm()) / temperature)

    costs = []
    for i, row in enumerate(rows):
        against = [other for j, other in enumerate(rows) if j != i]
        against += others[i % videos if len(others) > 1 else 0]
        partner = score(row, rows[(i + videos) % (2 * videos)])
        costs.append(-torch.log(partner / sum(score(row, other) for other in against)))
    return sum(costs) / len(costs)


@pytest.fixture
def others():
    return torch.randn(6, 3, 16, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("shared", [False, True])
def test_others_equal_the_slow_form_and_its_gradient(clips, others, shared):
    others = others[:1] if shared else others
    given = [rows.double().requires_grad_() for rows in (*clips, others)]
    found = nt_xent(*given, temperature=0.1)
    expected = slow_with_others(*given, 0.1)
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(loss, given) for loss in (found, expected)))
    single = nt_xent(*clips, others, temperature=0.1)
    assert_close(single.item(), expected.item(), rtol=1e-5, atol=0)


def test_others_by_hand():
    """As by hand above, with one more negative at -1 for the first video and at 0 for the other."""
    first = torch.eye(2)
    others = torch.tensor([[[-2.0, 0.0]], [[-2.0, 0.0]]])
    costs = [-math.log(math.e / (math.e + 2 + more)) for more in (1 / math.e, 1)]
    assert_close(nt_xent(first, first, others, temperature=1).item(), sum(costs) / 2)


def test_shared_others_are_the_same_for_every_video(clips, others):
    shared = nt_xent(*clips, others[:1], temperature=0.1)
    assert_close(shared, nt_xent(*clips, others[:1].expand(6, -1, -1), temperature=0.1))


def test_no_others_among_others_change_nothing(clips, others):
    plain = nt_xent(*clips, temperature=0.1)
    assert torch.equal(nt_xent(*clips, None, temperature=0.1), plain)
    assert_close(nt_xent(*clips, others[:, :0], temperature=0.1), plain)


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
