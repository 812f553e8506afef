"""An encoder with a linear head, and its scores for whole videos."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from hdc.runtime.seeding import torch_seed


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
