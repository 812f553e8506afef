"""Whether embeddings have collapsed: how far apart they lie, and in how many directions."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def spread_and_rank(
    rows: Float[Tensor, "*group video dim"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The spread of unit rows, and their effective rank; means over groups.

    Spread: the standard deviation of each coordinate, averaged, times the root of `dim`; 0 where
    all rows are alike, 1 where they point everywhere (SimSiam, arXiv 2011.10566, section 4.1).
    Effective rank: the square of the sum of the covariance's eigenvalues over the sum of their
    squares (arXiv 1906.11300, definition 3, with k = 0); 1 where all lie on a line, at most the
    number of rows less one.
    """
    with torch.autocast(rows.device.type, enabled=False):
        rows = F.normalize(rows.float(), dim=-1)
        rows = rows - rows.mean(dim=-2, keepdim=True)
        videos, dim = rows.shape[-2:]
        spread = rows.square().mean(dim=-2).sqrt().mean() * dim**0.5
        # Products of rows have the eigenvalues of the covariance, and are fewer in small batches.
        products = rows @ rows.mT if videos < dim else rows.mT @ rows
        total = rows.square().sum(dim=(-2, -1))
        rank = total.square() / products.square().sum(dim=(-2, -1)).clamp(min=1e-12)
    return spread, rank.mean()
