"""Embeddings of earlier steps, kept as negatives."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from hdc.runtime.seeding import torch_seed


class KeyQueue(nn.Module):
    """The last so many embeddings of a term; in the beginning random ones.

    Source: MoCo (arXiv 1911.05722), section 3.2, whose queue begins as random unit vectors, too.
    """

    def __init__(self, shape: tuple[int, ...], *, seed: int, name: str) -> None:
        """`shape`: (row, dim), or (group, row, dim) where groups are compared each for itself."""
        super().__init__()
        random = torch.Generator().manual_seed(torch_seed(seed, f"queue {name}"))
        self.register_buffer("rows", F.normalize(torch.randn(shape, generator=random), dim=-1))
        self.latest: Tensor | None = None  # of the step that is not done yet

    def note(self, rows: Float[Tensor, "*group video dim"]) -> None:
        """What the step that is under way will leave here."""
        self.latest = rows.detach()

    def after_step(self, step: int) -> None:
        """Take in what the step left, in place of the oldest; `step`: how many are made now."""
        if self.latest is None:
            return
        size, videos = self.rows.shape[-2], self.latest.shape[-2]
        first = (step - 1) * videos % size
        places = (first + torch.arange(videos, device=self.rows.device)) % size
        latest = self.latest[..., -size:, :].to(self.rows.dtype)
        self.rows.index_copy_(-2, places[-size:], latest)
        self.latest = None
