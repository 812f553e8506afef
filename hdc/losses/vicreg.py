"""VICReg: embeddings of two views alike, spread in every dimension, and free of repetition."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from hdc.losses.precision import widened
from hdc.losses.requirements import require_pairs, require_weights

STEADY = 1e-4  # The paper's epsilon; keeps the root's slope finite where nothing varies.


def vicreg(
    first: Float[Tensor, "*group video dim"],
    second: Float[Tensor, "*group video dim"],
    *,
    invariance: float | int,
    variance: float | int,
    covariance: float | int,
) -> Float[Tensor, ""]:
    """Sum of three terms by their weights; each group's for itself, then the mean over groups.

    - `invariance`: the squared difference, mean over videos and dimensions. Eq. 5 has the mean over
      videos of the squared distance, which is `dim` times as much; the paper's code has this mean.
    - `variance`: how far sqrt(variance + 1e-4) is short of 1, mean over dimensions (eq. 1 and 2),
      then mean over both views. Eq. 6 sums over the views; the paper's code halves that, as here.
    - `covariance`: sum of the squares off the diagonal of the covariance, divided by `dim`
      (eq. 3 and 4), summed over both views, as in eq. 6 and in the paper's code.

    Variance and covariance are the unbiased ones, divided by one less than the number of videos.

    Source: VICReg (arXiv 2105.04906), eq. 1 to 6.
    Raises ValueError for fewer than two videos, unequal shapes or a weight below 0.
    """
    require_pairs("vicreg", first, second, videos=2)
    require_weights("vicreg", invariance=invariance, variance=variance, covariance=covariance)
    with torch.autocast(first.device.type, enabled=False):
        first, second = widened(first), widened(second)
        return (
            invariance * (first - second).square().mean()
            + variance * (_shortfall(first) + _shortfall(second)) / 2
            + covariance * (_repetition(first) + _repetition(second))
        )


def _shortfall(rows: Float[Tensor, "*group video dim"]) -> Float[Tensor, ""]:
    return F.relu(1 - (rows.var(-2) + STEADY).sqrt()).mean()


def _repetition(rows: Float[Tensor, "*group video dim"]) -> Float[Tensor, ""]:
    videos, dim = rows.shape[-2:]
    rows = rows - rows.mean(-2, keepdim=True)
    covariance = rows.mT @ rows / (videos - 1)
    diagonal = torch.eye(dim, dtype=torch.bool, device=rows.device)
    return covariance.masked_fill(diagonal, 0).square().sum((-2, -1)).mean() / dim
