"""An encoder with a linear head, and its scores for whole videos."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from hdc.data.augment import augment
from hdc.data.store import ClipStore
from hdc.data.whole_videos import video_batches
from hdc.runtime.seeding import torch_seed
from hdc.settings.schema import Clip, Inference


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


def seeded_loss(
    clips: Float[Tensor, "batch 3 time height width"],
    targets: Int[Tensor, " batch"],
    model: nn.Module,
    *,
    weights: Float[Tensor, " label"] | None,
    dropout: int,
) -> Float[Tensor, ""]:
    """The cross-entropy of a batch by `model`, in nats, with the dropout that a seed stands for.

    Dropout draws from torch's own generator: seeded per step, a resumed run repeats it.
    """
    torch.manual_seed(dropout)
    return F.cross_entropy(model(clips).float(), targets, weight=weights)


@torch.inference_mode()
def clip_scores(
    model: nn.Module,
    store: ClipStore,
    rows: Sequence[int],
    *,
    clip: Clip,
    inference: Inference,
    crops: int,
    workers: int,
    what: str,
) -> Float[np.ndarray, "video clip label"]:
    """Scores before softmax of each video's clips, a square of a clip being one of its own.

    Leaves the model in evaluation mode. A bar named `what` shows how far it is.
    """
    model.eval()
    batches = video_batches(
        store,
        rows,
        clip=clip,
        inference=inference,
        device=next(model.parameters()).device,
        workers=workers,
        what=what,
        crops=crops,
    )
    scores = []
    for batch in batches:
        one = model(augment(batch.clips, batch.draws, pixels=clip.pixels)).float()
        scores.append(one.unflatten(0, (-1, inference.clips * crops)).cpu())
    return torch.cat(scores).numpy()
