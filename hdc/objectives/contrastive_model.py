"""An encoder and a contrast as one model, and how its views are made and looked at."""

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from hdc.data.augment import augment
from hdc.data.batches import ClipBatch, VideoBatches
from hdc.data.normalization import MEAN, STANDARD_DEVIATION
from hdc.objectives.hd_nce import Embedded, HierarchicalContrast
from hdc.objectives.large_batch import gathered, in_chunks
from hdc.runtime.atomic_files import write_bytes
from hdc.runtime.seeding import torch_seed
from hdc.settings.schema import Objective, Subtask, View

SHOWN_VIDEOS, SHOWN_FRAMES, SHOWN_PIXELS = 4, 8, 64  # of views.png; readable and small


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


def augmented(
    batch: Mapping[str, ClipBatch], *, pixels: int, device: torch.device
) -> list[Float[Tensor, "video 3 time pixels pixels"]]:
    """The views of a batch in their order, augmented on `device`."""
    return [
        augment(view.clips.to(device, non_blocking=True), view.draws, pixels=pixels)
        for view in batch.values()
    ]


def see_views(batches: VideoBatches, views: Mapping[str, View], *, pixels: int, path: Path) -> None:
    """Draw the first batch as the network sees it: a row a video and view, frames left to right."""
    batch = batches.epoch(0, dict(views))[0]()
    rows = []
    for video in range(min(SHOWN_VIDEOS, batches.batch_size // batches.part[1])):
        for view in batch.values():
            clip = augment(view.clips[[video]], [view.draws[video]], pixels=pixels)[0]
            rows.append(_strip(clip))
    picture = Image.fromarray((torch.cat(rows) * 255).round().byte().numpy())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def _strip(clip: Float[Tensor, "3 time side side"]) -> Float[Tensor, "height width 3"]:
    """Frames of a clip side by side, in 0 to 1, with a white line below."""
    chosen = torch.linspace(0, clip.shape[1] - 1, SHOWN_FRAMES).round().long()
    frames = (clip[:, chosen] * STANDARD_DEVIATION + MEAN).clamp(0, 1).transpose(0, 1)
    frames = nn.functional.interpolate(frames, size=(SHOWN_PIXELS, SHOWN_PIXELS))
    frames = nn.functional.pad(frames, (0, 2, 0, 2), value=1.0)
    return frames.permute(2, 0, 3, 1).reshape(SHOWN_PIXELS + 2, -1, 3)
