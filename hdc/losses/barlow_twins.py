"""Barlow Twins: each dimension goes with itself across two views, and with no other."""

import torch
from jaxtyping import Float
from torch import Tensor

from hdc.losses.precision import widened
from hdc.losses.requirements import require_pairs, require_weights

STEADY = 1e-5  # As in the batch norm by which the paper's code standardizes.


def barlow_twins(
    first: Float[Tensor, "*group video dim"],
    second: Float[Tensor, "*group video dim"],
    *,
    off_diagonal: float | int,
) -> Float[Tensor, ""]:
    """Sum of (1 - c)^2 on the diagonal and of `off_diagonal` x c^2 off it; mean over groups.

    c are the correlations over the videos of a group between a dimension of `first` and one of
    `second`. Each dimension is brought to mean 0 and divided by sqrt(variance + 1e-5), where
    variance is the biased one (divided by the number of videos), so that a dimension that does not
    vary has correlation 0 rather than none, and c is eq. 2 up to that 1e-5.

    Source: Barlow Twins (arXiv 2103.03230), eq. 1 and 2.
    Raises ValueError for fewer than two videos, unequal shapes or a weight below 0.
    """
    require_pairs("barlow_twins", first, second, videos=2)
    require_weights("barlow_twins", off_diagonal=off_diagonal)
    videos, dim = first.shape[-2:]
    with torch.autocast(first.device.type, enabled=False):
        first, second = _standardized(widened(first)), _standardized(widened(second))
        correlation = first.mT @ second / videos
        diagonal = torch.eye(dim, dtype=torch.bool, device=first.device)
        costs = torch.where(
            diagonal, (1 - correlation).square(), off_diagonal * correlation.square()
        )
        return costs.sum((-2, -1)).mean()


def _standardized(rows: Float[Tensor, "*group video dim"]) -> Float[Tensor, "*group video dim"]:
    variance, mean = torch.var_mean(rows, -2, correction=0, keepdim=True)
    return (rows - mean) / (variance + STEADY).sqrt()
