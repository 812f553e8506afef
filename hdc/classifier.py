"""An encoder with a linear head, and its predictions for whole videos."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hdc.data.augment import augment
from hdc.data.batches import ahead, inference_batches
from hdc.data.store import ClipStore
from hdc.progress import progress
from hdc.random_draws import torch_seed
from hdc.settings import Clip, Inference


class Classifier(nn.Module):
    """Encoder, mean over time, height and width of its last level, dropout, one linear layer."""

    def __init__(self, encoder: nn.Module, labels: int, *, dropout: float, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed, "classifier"))
            self.linear = nn.Linear(list(encoder.levels.values())[-1], labels)

    def forward(
        self, clips: Float[Tensor, "batch 3 time height width"]
    ) -> Float[Tensor, "batch label"]:
        """Scores before softmax."""
        last = list(self.encoder(clips).values())[-1]
        return self.linear(self.dropout(last.mean(dim=(2, 3, 4))))


@torch.inference_mode()
def predict(
    model: nn.Module,
    store: ClipStore,
    rows: Sequence[int],
    *,
    clip: Clip,
    inference: Inference,
    workers: int,
) -> Float[np.ndarray, "video label"]:
    """Label probabilities of each video: the mean over its clips of the softmax."""
    device = next(model.parameters()).device
    model.eval()
    batches = inference_batches(store, rows, clip=clip, inference=inference)
    made, means = ahead(batches, workers=workers), []
    for batch in progress(made, total=len(batches), unit="batch", what="inference"):
        clips = augment(batch.clips.to(device), batch.draws, pixels=clip.pixels)
        probabilities = model(clips).float().softmax(dim=1)
        means.append(probabilities.unflatten(0, (-1, inference.clips)).mean(dim=1).cpu())
    return torch.cat(means).numpy()
