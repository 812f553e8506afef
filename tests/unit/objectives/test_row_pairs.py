"""What NT-Xent asks of views paired in each way, against loops in float64."""

import math

import pytest
import torch
from torch.testing import assert_close

from hdc.losses.nt_xent import nt_xent
from hdc.objectives import row_pairs

VIDEOS, TIMES = 4, 3
SHIFTS = torch.tensor([1, 2, 1, 2])


def same_time(first, second, *, temperature):
    return nt_xent(*row_pairs.same_time(first, second), temperature=temperature)


def any_time(first, second, *, temperature):
    rows = row_pairs.any_time(first, second, SHIFTS[: len(first)])
    return nt_xent(*rows, temperature=temperature)


def whole_clip(first, second, *, temperature):
    return nt_xent(*row_pairs.whole_clip(first, second), temperature=temperature)


SPATIAL = [same_time, any_time, whole_clip]
every = pytest.mark.parametrize("contrast", [*SPATIAL, nt_xent], ids=lambda f: f.__name__)


def views(contrast, videos=VIDEOS):
    random = torch.Generator().manual_seed(0)
    shape = (2, videos, TIMES, 5) if contrast in SPATIAL else (2, videos, 5)
    return torch.randn(*shape, generator=random)


def cosine(a, b):
    return float(torch.dot(a, b) / (a.norm() * b.norm()))


def loop(rows, partner, similarity, temperature):
    """NT-Xent of rows by their numbers, one pair at a time."""
    costs = []
    for i in range(len(rows)):
        scores = {j: math.exp(similarity(i, j) / temperature) for j in range(len(rows)) if j != i}
        costs.append(-math.log(scores[partner(i)] / sum(scores.values())))
    return sum(costs) / len(costs)


def slow(contrast, first, second, temperature):
    first, second = first.double(), second.double()
    partner = lambda i: (i + VIDEOS) % (2 * VIDEOS)  # noqa: E731
    if contrast is nt_xent:
        rows = [*first, *second]
        return loop(rows, partner, lambda i, j: cosine(rows[i], rows[j]), temperature)
    if contrast is whole_clip:
        rows = [*first, *second]
        mean = lambda i, j: sum(map(cosine, rows[i], rows[j])) / TIMES  # noqa: E731
        return loop(rows, partner, mean, temperature)
    steps = []
    for t in range(TIMES):
        later = [(t + int(s)) % TIMES if contrast is any_time else t for s in SHIFTS]
        rows = [*first[:, t], *(second[i, later[i]] for i in range(VIDEOS))]
        steps.append(loop(rows, partner, lambda i, j, r=rows: cosine(r[i], r[j]), temperature))
    return sum(steps) / TIMES


@every
@pytest.mark.parametrize("temperature", [0.1, 1])
def test_equals_the_slow_form(contrast, temperature):
    first, second = views(contrast)
    found = contrast(first, second, temperature=temperature).item()
    assert found == pytest.approx(slow(contrast, first, second, temperature), rel=1e-5)


@every
def test_by_hand(contrast):
    """Two videos at right angles, always alike: one partner at cosine 1, two others at 0."""
    videos = torch.eye(2)
    if contrast in SPATIAL:
        videos = videos.unsqueeze(1).expand(-1, TIMES, -1)
    expected = -math.log(math.e / (math.e + 2))
    assert contrast(videos, videos, temperature=1).item() == pytest.approx(expected)


@every
def test_gradient_reaches_every_input(contrast):
    both = views(contrast).requires_grad_()
    contrast(*both, temperature=0.1).backward()
    assert (both.grad.norm(dim=-1) > 0).all()


@every
def test_ignores_the_length_of_embeddings(contrast):
    first, second = views(contrast)
    scaled = contrast(3 * first, second, temperature=0.1)
    assert_close(scaled, contrast(first, second, temperature=0.1))


@every
def test_refuses_a_single_video(contrast):
    with pytest.raises(ValueError, match="at least 2 videos"):
        contrast(*views(contrast, videos=1), temperature=0.1)


@every
@pytest.mark.parametrize("temperature", [0, -0.1, math.nan])
def test_refuses_a_temperature_that_is_not_positive(contrast, temperature):
    with pytest.raises(ValueError, match="temperature above 0"):
        contrast(*views(contrast), temperature=temperature)


@every
def test_refuses_wrong_shapes(contrast):
    first, second = views(contrast)
    for wrong in (second[:-1], second.unsqueeze(0), second[..., :-1]):
        with pytest.raises(Exception, match=r"needs|expected|Type-check"):
            contrast(first, wrong, temperature=0.1)


def test_other_times_are_those_of_the_same_video_in_both_views():
    first, second = views(same_time)
    found = row_pairs.other_times(first, second)
    assert found.shape == (TIMES, VIDEOS, 2 * (TIMES - 1), 5)
    for time in range(TIMES):
        for video in range(VIDEOS):
            others = [t for t in range(TIMES) if t != time]
            expected = [*first[video, others], *second[video, others]]
            assert_close(found[time, video], torch.stack(expected))
