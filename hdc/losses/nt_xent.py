"""NT-Xent: which of all the other embeddings is the other view of the same video?"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def nt_xent(
    first: Float[Tensor, "*group video dim"],
    second: Float[Tensor, "*group video dim"],
    *,
    temperature: float | int,
) -> Float[Tensor, ""]:
    """Mean over the 2 x video embeddings of -log softmax at the partner, in nats.

    Row i of `first` and row i of `second` belong together; the negatives are the other videos' rows
    on both sides. `temperature` divides cosine similarities; smaller is stricter. Groups, such as
    time steps, are contrasted each for itself and count equally.

    Source: SimCLR (arXiv 2002.05709), eq. 1.
    Raises ValueError for fewer than two videos, unequal shapes or a temperature not above 0.
    """
    if first.shape != second.shape or first.ndim < 2:
        raise ValueError(
            f"nt_xent needs two equal shapes (video, dim), got {tuple(first.shape)} "
            f"and {tuple(second.shape)}"
        )
    videos = first.shape[-2]
    if videos < 2:
        raise ValueError(f"nt_xent needs at least 2 videos per batch, got {videos}")
    if not temperature > 0:
        raise ValueError(f"nt_xent needs a temperature above 0, got {temperature}")
    # Half precision would round similarities to a few hundred values.
    with torch.autocast(first.device.type, enabled=False):
        rows = torch.cat([first, second], dim=-2)
        rows = rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows
        rows = F.normalize(rows, dim=-1).reshape(-1, 2 * videos, rows.shape[-1])
        similarity = rows @ rows.mT / temperature  # (group, 2 * video, 2 * video)
        oneself = torch.eye(2 * videos, dtype=torch.bool, device=rows.device)
        similarity = similarity.masked_fill(oneself, float("-inf"))
        partner = torch.arange(2 * videos, device=rows.device).roll(videos)
        return F.cross_entropy(similarity.flatten(0, 1), partner.repeat(len(similarity)))
