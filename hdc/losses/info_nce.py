"""InfoNCE with a queue: which of these keys is the other view of the same video?"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from hdc.losses.precision import widened
from hdc.losses.requirements import require_pairs, require_temperature


def info_nce(
    query: Float[Tensor, "*group video dim"],
    key: Float[Tensor, "*group video dim"],
    queue: Float[Tensor, "*group negative dim"],
    *,
    temperature: float | int,
) -> Float[Tensor, ""]:
    """Mean over the queries of -log softmax at the own key among it and the queue, in nats.

    The positive of row i of `query` is row i of `key`; its negatives are all rows of `queue` in the
    same group, and no other key. `temperature` divides cosine similarities; smaller is stricter.
    Groups count equally. No gradient reaches `key` or `queue`.

    Source: MoCo (arXiv 1911.05722), eq. 1.
    Raises ValueError for unequal shapes, a queue that does not fit them or is empty, no videos or a
    temperature not above 0.
    """
    require_pairs("info_nce", query, key)
    require_temperature("info_nce", temperature)
    _require_fitting(queue, query)
    with torch.autocast(query.device.type, enabled=False):
        query = F.normalize(widened(query), dim=-1)
        key = F.normalize(widened(key.detach()), dim=-1)
        queue = F.normalize(widened(queue.detach()), dim=-1)
        positive = (query * key).sum(-1, keepdim=True)
        similarity = torch.cat([positive, query @ queue.mT], dim=-1) / temperature
        return -similarity.log_softmax(-1)[..., 0].mean()


def _require_fitting(queue: Tensor, query: Tensor) -> None:
    *group, _, dim = query.shape
    negatives = queue.shape[-2:-1]
    if list(queue.shape) != [*group, *negatives, dim] or 0 in negatives:
        raise ValueError(
            f"info_nce needs a queue of shape {(*group, 'negative', dim)} "
            f"with at least 1 negative, got {tuple(queue.shape)}"
        )
