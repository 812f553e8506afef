"""What is trained: the contract that every objective keeps, and all that the trainer knows of one.

The shape is that of timm's `TrainingTask`: views of a batch go in, a loss with its terms comes out.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from hdc.settings.schema import View

Views = Mapping[str, Float[Tensor, "video 3 time height width"]]  # augmented clips by view
Rows = Sequence[int] | Int[Tensor, " video"]  # of videos in the index


class Term(NamedTuple):
    """One part of a loss: a subtask at a level of the encoder."""

    subtask: str
    level: str
    loss: Float[Tensor, ""]  # in nats
    weight: Float[Tensor, ""]  # before the weights of a loss are divided by their sum
    invariance: Float[Tensor, ""]  # of the features that it compares, in this batch

    @property
    def name(self) -> str:
        """What logs and records call it."""
        return f"{self.subtask}_{self.level}"


class TaskLoss(NamedTuple):
    """The loss of a batch, what it is made of, and what else was measured on the way."""

    loss: Float[Tensor, ""]  # in nats
    terms: Sequence[Term]
    measured: Mapping[str, Tensor]  # such as training_accuracy

    def columns(self) -> dict[str, Tensor]:
        """All of it by the names that the columns of a log have."""
        return {
            "loss": self.loss,
            **{term.name: term.loss for term in self.terms},
            **{f"weight_{term.name}": term.weight for term in self.terms},
            **{f"invariance_{term.name}": term.invariance for term in self.terms},
            **self.measured,
        }


class PretextTask(nn.Module, ABC):
    """An encoder and what it learns by.

    `encoder` is what a training is for: it is written to a file and judged, the rest is dropped.
    `views` are what the task wants to see of each video, by name. `pairs` are the views that are
    compared, by subtask; none where nothing is.
    """

    encoder: nn.Module
    views: Mapping[str, View]
    pairs: Mapping[str, Sequence[Sequence[str]]]

    @abstractmethod
    def forward(self, views: Views, rows: Rows, step: int) -> TaskLoss:
        """The loss of a batch.

        Args:
            views: clips of the same videos in the same order, by the names in `self.views`.
            rows: of the videos in the index; in a training a tensor on its device.
            step: how many were made before.
        """

    def after_step(self, step: int) -> None:
        """Called after the optimizer's step; `step`: how many are made now."""

    def facts(self, steps: int) -> dict[str, Any]:
        """What the record of a training of `steps` steps says of it, as metrics."""
        return {}
