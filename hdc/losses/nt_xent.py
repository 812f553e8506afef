"""NT-Xent: which of all the other embeddings is the other view of the same video?"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from hdc.losses.precision import widened
from hdc.losses.requirements import require_pairs, require_temperature


def nt_xent(
    first: Float[Tensor, "*group video dim"],
    second: Float[Tensor, "*group video dim"],
    others: Float[Tensor, "*group #video negative dim"] | None = None,
    *,
    temperature: float | int,
) -> Float[Tensor, ""]:
    """Mean over the 2 x video embeddings of -log softmax at the partner, in nats.

    Row i of `first` and row i of `second` belong together; the negatives are the other videos' rows
    on both sides. `temperature` divides cosine similarities; smaller is stricter. Groups, such as
    time steps, are contrasted each for itself and count equally.

    `others[i]` are further negatives of row i of `first` and of row i of `second`, and of no other
    row; a video axis of size 1 gives all rows the same ones, as from a queue. The gradient reaches
    them too: detach what must not learn.

    Source: SimCLR (arXiv 2002.05709), eq. 1; `others` are more terms in its denominator.
    Raises ValueError for fewer than two videos, unequal shapes, others that do not fit them or a
    temperature not above 0.
    """
    require_pairs("nt_xent", first, second, videos=2)
    require_temperature("nt_xent", temperature)
    if others is not None:
        _require_fitting(others, first)
    videos = first.shape[-2]
    with torch.autocast(first.device.type, enabled=False):
        rows = widened(torch.cat([first, second], dim=-2))
        rows = F.normalize(rows, dim=-1).reshape(-1, 2 * videos, rows.shape[-1])
        similarity = rows @ rows.mT / temperature  # (group, 2 * video, 2 * video)
        oneself = torch.eye(2 * videos, dtype=torch.bool, device=rows.device)
        similarity = similarity.masked_fill(oneself, float("-inf"))
        if others is not None:
            similarity = torch.cat([similarity, _cosines(rows, others) / temperature], dim=-1)
        partner = torch.arange(2 * videos, device=rows.device).roll(videos)
        return F.cross_entropy(similarity.flatten(0, 1), partner.repeat(len(similarity)))


def _cosines(
    rows: Float[Tensor, "groups rows dim"], others: Float[Tensor, "*group video negative dim"]
) -> Float[Tensor, "groups rows negative"]:
    """Of both rows of each video with the others of that video."""
    others = F.normalize(widened(others), dim=-1).reshape(len(rows), *others.shape[-3:])
    views = rows.unflatten(1, (2, -1))
    # Others that all videos share are never copied: einsum leaves out axes of size 1.
    return torch.einsum("gsvd,gvnd->gsvn", views, others).flatten(1, 2)


def _require_fitting(others: Tensor, first: Tensor) -> None:
    *group, videos, dim = first.shape
    ends = ([*group, count, *others.shape[-2:-1], dim] for count in (1, videos))
    if list(others.shape) not in ends:
        raise ValueError(
            f"nt_xent needs others of shape {(*group, videos, 'negative', dim)} or "
            f"{(*group, 1, 'negative', dim)}, got {tuple(others.shape)}"
        )
