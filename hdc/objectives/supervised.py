"""The same encoder trained on labels: the ceiling that a run without labels is held against."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from hdc.encoders.classifier import Classifier
from hdc.settings.schema import Subtask, View


class SupervisedModel(nn.Module):
    """Encoder, linear head and cross-entropy: clips in, loss out, on one view of each video."""

    def __init__(self, encoder: nn.Module, labels: Sequence[str], *, seed: int) -> None:
        """`labels`: of every video of the index, in its order."""
        super().__init__()
        names = sorted(set(labels))
        self.encoder = encoder
        self.classifier = Classifier(encoder, len(names), dropout=0.0, seed=seed)
        self.views = {"a": View(crop=1, draw="a")}
        self.subtasks: dict[str, Subtask] = {}  # no contrast
        targets = torch.tensor([names.index(label) for label in labels])
        self.register_buffer("targets", targets, persistent=False)

    def forward(
        self, clips: Float[Tensor, "batch 3 time height width"], rows: list[int], step: int
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """Cross-entropy in nats, and the accuracy on the batch; `rows` are the videos' rows."""
        scores = self.classifier(clips).float()
        targets = self.targets[rows]
        accuracy = (scores.argmax(dim=1) == targets).float().mean()
        return F.cross_entropy(scores, targets), {"training_accuracy": accuracy}

    def invariance(self, steps: int) -> dict[str, float]:
        """None: nothing is contrasted."""
        return {}
