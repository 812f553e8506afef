"""Labels instead of a contrast: what fine-tuning learns by, and the ceiling of pretraining."""

from abc import abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from hdc.objectives.pretext_task import NO_VARIANTS, PretextTask, Rows, TaskLoss, Variants, Views
from hdc.runtime.seeding import torch_seed
from hdc.settings.objective import View

CLIP = "clip"  # a random crop of each video, as it is
LabelWeights = Float[np.ndarray, " label"] | None


class LabelTask(PretextTask):
    """Tells the labels of videos apart, by their scores."""

    def __init__(
        self,
        encoder: nn.Module,
        targets: Int[np.ndarray, " video"],
        *,
        seed: int,
        dropout: float = 0.0,
        label_weights: LabelWeights = None,
    ) -> None:
        """`targets`: the number of the label of every video of the index, in its order.

        `dropout`: a probability. `label_weights`: what a video of each label counts; None: alike.
        """
        super().__init__()
        self.views = {CLIP: View(crop=1, draw="a")}
        self.pairs = {}
        self.encoder, self.seed = encoder, seed
        self.dropout = nn.Dropout(dropout)
        weights = None if label_weights is None else torch.tensor(label_weights)
        self.register_buffer("targets", torch.tensor(targets), persistent=False)
        self.register_buffer("label_weights", weights, persistent=False)

    @abstractmethod
    def scores(
        self, clips: Float[Tensor, "batch channels time height width"], view: str = CLIP
    ) -> Float[Tensor, "batch label"]:
        """Scores before softmax of clips that are shown as in a view."""

    def judged(
        self,
        clips: Float[Tensor, "batch channels time height width"],
        view: str,
        rows: Rows,
        step: int,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Cross-entropy in nats, and the accuracy on the batch.

        Dropout draws from torch's own generator: seeded per step, a resumed run repeats it.
        """
        if self.dropout.p:
            torch.manual_seed(torch_seed(self.seed, f"dropout {step}"))
        scores = self.scores(clips, view).float()
        targets = self.targets[torch.as_tensor(rows, device=self.targets.device)]
        loss = F.cross_entropy(scores, targets, weight=self.label_weights)
        return loss, (scores.argmax(dim=1) == targets).float().mean()


class SupervisedTask(LabelTask):
    """Encoder, mean over time, height and width of its last level, dropout, one linear layer."""

    def __init__(
        self,
        encoder: nn.Module,
        targets: Int[np.ndarray, " video"],
        *,
        labels: int,
        seed: int,
        dropout: float = 0.0,
        label_weights: LabelWeights = None,
    ) -> None:
        """As for any `LabelTask`."""
        super().__init__(encoder, targets, seed=seed, dropout=dropout, label_weights=label_weights)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed, "classifier"))
            last = list(encoder.levels.values())[-1]
            self.linear = nn.Linear(last.channels, labels)

    def forward(
        self, views: Views, rows: Rows, step: int, variants: Variants = NO_VARIANTS
    ) -> TaskLoss:
        """Cross-entropy in nats, and the accuracy on the batch."""
        loss, accuracy = self.judged(views[CLIP], CLIP, rows, step)
        return TaskLoss(loss, (), {"training_accuracy": accuracy})

    def scores(
        self, clips: Float[Tensor, "batch channels time height width"], view: str = CLIP
    ) -> Float[Tensor, "batch label"]:
        """Scores before softmax."""
        last = list(self.encoder(clips).values())[-1]
        return self.linear(self.dropout(last.mean(dim=(2, 3, 4))))


def label_weights(targets: np.ndarray, labels: int) -> np.ndarray:
    """What a video of each label weighs so that all labels weigh alike, 1 on average, float32.

    A label without videos weighs nothing.
    """
    counts = np.bincount(targets, minlength=labels)
    weights = len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return np.where(counts > 0, weights, 0).astype(np.float32)
