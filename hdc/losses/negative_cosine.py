"""Negative cosine: does the prediction point the way its target does?"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from hdc.losses.precision import widened
from hdc.losses.requirements import require_pairs


def negative_cosine(
    prediction: Float[Tensor, "*group video dim"],
    target: Float[Tensor, "*group video dim"],
) -> Float[Tensor, ""]:
    """Mean over rows and groups of -cosine of a prediction and its target, from -1 to 1.

    No gradient reaches `target`. For a loss that treats both views alike, call it both ways round
    and take the mean.

    Source: SimSiam (arXiv 2011.10566), eq. 1. That of BYOL (arXiv 2006.07733), eq. 2, is 2 + 2 x
    this: the same minimum, and gradients twice as long.
    Raises ValueError for unequal shapes or no videos.
    """
    require_pairs("negative_cosine", prediction, target)
    with torch.autocast(prediction.device.type, enabled=False):
        prediction, target = widened(prediction), widened(target.detach())
        return -F.cosine_similarity(prediction, target, dim=-1).mean()
