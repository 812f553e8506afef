"""An encoder and a contrast as one model."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hdc.objectives.hd_nce import Embedded, HierarchicalContrast
from hdc.objectives.large_batch import gathered, in_chunks
from hdc.runtime.seeding import torch_seed
from hdc.settings.schema import Objective, Subtask, View


class ContrastiveModel(nn.Module):
    """Encoder, heads and loss: clips in, loss and terms out, in one forward pass over all views."""

    def __init__(
        self, encoder: nn.Module, contrast: HierarchicalContrast, *, chunk: int | None = None
    ) -> None:
        """`chunk`: videos whose activations are kept at a time; None: those of all."""
        super().__init__()
        self.encoder, self.contrast, self.chunk = encoder, contrast, chunk
        self.views: dict[str, View] = contrast.views
        self.subtasks: dict[str, Subtask] = contrast.subtasks

    def forward(
        self, clips: Float[Tensor, "batch 3 time height width"], rows: list[int], step: int
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """Loss and terms of a batch that holds the views one after the other.

        Negatives come from the whole batch, also where it is split over processes or chunks.
        """
        if self.chunk is None:
            embedded = self._embed(clips)
        else:
            embedded = in_chunks(self._embed, clips, views=len(self.views), chunk=self.chunk)
        return self.contrast.compare(gathered(embedded), step=step)

    def _embed(self, clips: Float[Tensor, "batch 3 time height width"]) -> Embedded:
        return self.contrast.embed(self.encoder(clips))

    def invariance(self, steps: int) -> dict[str, float]:
        """The running invariance of every term after `steps` steps, for the record."""
        weights = self.contrast.weights
        return dict(zip(weights.names, weights.invariance(steps).tolist(), strict=True))


def contrastive_model(
    encoder: nn.Module,
    settings: Objective,
    *,
    seed: int,
    total_steps: int,
    frozen: Mapping[str, float] | None,
    chunk: int | None = None,
) -> ContrastiveModel:
    """An encoder with its contrast; the heads' first weights are drawn apart from the encoder's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "heads"))
        contrast = HierarchicalContrast(
            settings, encoder.levels, seed=seed, total_steps=total_steps, frozen=frozen
        )
    return ContrastiveModel(encoder, contrast, chunk=chunk)
