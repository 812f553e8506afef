"""What holds for every loss of two views: precision, groups, gradients, and what it refuses."""

import math

import jaxtyping
import pytest
import torch
from torch.testing import assert_close

from hdc.losses.barlow_twins import barlow_twins
from hdc.losses.info_nce import info_nce
from hdc.losses.negative_cosine import negative_cosine
from hdc.losses.nt_xent import nt_xent
from hdc.losses.vicreg import vicreg

GROUPS, VIDEOS, NEGATIVES, DIM = 3, 4, 6, 5

WEIGHTS = {
    nt_xent: {"temperature": 0.1},
    info_nce: {"temperature": 0.1},
    negative_cosine: {},
    vicreg: {"invariance": 25, "variance": 25, "covariance": 1},
    barlow_twins: {"off_diagonal": 0.005},
}
LEARNS = {nt_xent: [0, 1, 2], info_nce: [0], negative_cosine: [0], vicreg: [0, 1]}
LEARNS[barlow_twins] = [0, 1]

every = pytest.mark.parametrize("loss", WEIGHTS, ids=lambda f: f.__name__)
halves = pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])


@pytest.fixture
def untyped():
    """As in use: the checks of types that tests put around every function are no part of it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def inputs(loss):
    random = torch.Generator().manual_seed(0)
    shapes = [(GROUPS, VIDEOS, DIM)] * 2
    shapes += [(GROUPS, VIDEOS, NEGATIVES, DIM)] * (loss is nt_xent)
    shapes += [(GROUPS, NEGATIVES, DIM)] * (loss is info_nce)
    return [torch.randn(*shape, generator=random) for shape in shapes]


@every
def test_groups_count_equally_and_do_not_mix(loss):
    given = inputs(loss)
    each = [loss(*group, **WEIGHTS[loss]) for group in zip(*given, strict=True)]
    assert_close(loss(*given, **WEIGHTS[loss]), torch.stack(each).mean())


@every
def test_several_axes_may_be_groups(loss):
    given = inputs(loss)
    folded = [rows.unflatten(0, (1, GROUPS)) for rows in given]
    assert_close(loss(*folded, **WEIGHTS[loss]), loss(*given, **WEIGHTS[loss]))


@every
def test_gradient_reaches_every_row_that_learns_and_no_other(loss):
    given = [rows.requires_grad_() for rows in inputs(loss)]
    loss(*given, **WEIGHTS[loss]).backward()
    for number, rows in enumerate(given):
        if number in LEARNS[loss]:
            assert (rows.grad.norm(dim=-1) > 0).all()
        else:
            assert rows.grad is None


@every
@halves
def test_half_precision_is_widened_before_anything_else(loss, half):
    given = [rows.to(half) for rows in inputs(loss)]
    expected = loss(*(rows.float() for rows in given), **WEIGHTS[loss])
    found = loss(*given, **WEIGHTS[loss])
    assert_close(found, expected, rtol=0, atol=0)
    with torch.autocast("cpu", dtype=half):
        assert_close(loss(*given, **WEIGHTS[loss]), expected, rtol=0, atol=0)


@every
@halves
def test_autocast_changes_neither_loss_nor_gradient(loss, half):
    def both(*, mixed):
        given = [rows.requires_grad_() for rows in inputs(loss)]
        with torch.autocast("cpu", dtype=half, enabled=mixed):
            found = loss(*given, **WEIGHTS[loss])
        return found, *torch.autograd.grad(found, [given[i] for i in LEARNS[loss]])

    assert_close(both(mixed=True), both(mixed=False), rtol=0, atol=0)


@every
def test_double_precision_stays(loss):
    assert loss(*(rows.double() for rows in inputs(loss)), **WEIGHTS[loss]).dtype == torch.float64


@every
def test_rows_that_are_all_the_same_or_zero_have_finite_gradients(loss):
    for value in (0.0, 1.0):
        given = [torch.full_like(rows, value).requires_grad_() for rows in inputs(loss)]
        found = loss(*given, **WEIGHTS[loss])
        slopes = torch.autograd.grad(found, [given[i] for i in LEARNS[loss]])
        assert all(numbers.isfinite().all() for numbers in (found, *slopes))


@every
def test_refuses_unequal_shapes(loss, untyped):
    first, second, *rest = inputs(loss)
    for wrong in (second[:, :-1], second[0], second[..., :-1], second.unsqueeze(0)):
        with pytest.raises(ValueError, match=rf"{loss.__name__} needs two equal shapes"):
            loss(first, wrong, *rest, **WEIGHTS[loss])
    with pytest.raises(ValueError, match=r"equal shapes \(video, dim\), got \(5,\) and \(5,\)"):
        loss(first[0, 0], second[0, 0], *rest, **WEIGHTS[loss])


@every
def test_refuses_too_few_videos(loss):
    least = 1 if loss in (info_nce, negative_cosine) else 2
    first, second, *rest = inputs(loss)
    few = [rows[:, : least - 1] for rows in (first, second)]
    if loss is nt_xent:
        rest = [others[:, : least - 1] for others in rest]
    with pytest.raises(ValueError, match=rf"needs at least {least} videos? .*, got {least - 1}"):
        loss(*few, *rest, **WEIGHTS[loss])


@pytest.mark.parametrize("loss", [nt_xent, info_nce])
@pytest.mark.parametrize("temperature", [0, -0.1, math.nan])
def test_refuses_a_temperature_that_is_not_positive(loss, temperature):
    with pytest.raises(ValueError, match=rf"{loss.__name__} needs a temperature above 0, got"):
        loss(*inputs(loss), temperature=temperature)


@pytest.mark.parametrize(
    ("loss", "name"), [(loss, name) for loss in (vicreg, barlow_twins) for name in WEIGHTS[loss]]
)
@pytest.mark.parametrize("weight", [-1, math.nan])
def test_refuses_a_weight_below_zero(loss, name, weight):
    with pytest.raises(ValueError, match=rf"{loss.__name__} needs a weight {name} of 0 or above"):
        loss(*inputs(loss), **{**WEIGHTS[loss], name: weight})


@pytest.mark.parametrize(
    "shape",
    [
        (GROUPS, 2, NEGATIVES, DIM),
        (GROUPS, NEGATIVES, DIM),
        (1, VIDEOS, NEGATIVES, DIM),
        (GROUPS, VIDEOS, NEGATIVES, DIM + 1),
        (DIM,),
    ],
)
def test_nt_xent_refuses_others_that_do_not_fit(shape, untyped):
    first, second, _ = inputs(nt_xent)
    with pytest.raises(ValueError, match=r"others of shape \(3, 4, 'negative', 5\) or .*, got"):
        nt_xent(first, second, torch.ones(shape), temperature=0.1)


@pytest.mark.parametrize(
    "shape",
    [
        (GROUPS, 0, DIM),
        (NEGATIVES, DIM),
        (1, NEGATIVES, DIM),
        (GROUPS, NEGATIVES, DIM + 1),
        (GROUPS, VIDEOS, NEGATIVES, DIM),
        (DIM,),
    ],
)
def test_info_nce_refuses_a_queue_that_does_not_fit(shape, untyped):
    query, key, _ = inputs(info_nce)
    with pytest.raises(ValueError, match=r"queue of shape \(3, 'negative', 5\) with .*, got"):
        info_nce(query, key, torch.ones(shape), temperature=0.1)
