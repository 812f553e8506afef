"""What is trained: the contract that every objective keeps, and all that the trainer knows of one.

The shape is that of timm's `TrainingTask`: views of a batch go in, a loss with its terms comes out.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from hdc.settings.objective import View

Views = Mapping[str, Float[Tensor, "video _ time height width"]]  # augmented clips by view
Rows = Sequence[int] | Int[Tensor, " video"]  # of videos in the index
# How the clips of a view were varied, by view: numbers from 0 on.
Variants = Mapping[str, Int[Tensor, " video"]]
NO_VARIANTS: Variants = MappingProxyType({})


class Found(NamedTuple):
    """What came of one part of a loss in one batch; None: it has no such thing."""

    loss: Float[Tensor, ""]  # in nats, or what its function says
    invariance: Float[Tensor, ""] | None = None  # of the features that it compares
    spread: Float[Tensor, ""] | None = None  # of their embeddings; `hdc.objectives.spread`
    rank: Float[Tensor, ""] | None = None  # the effective one of their embeddings


class TermLoss(NamedTuple):
    """One part of a loss: a subtask at a level of the encoder."""

    subtask: str
    level: str
    loss: Float[Tensor, ""]
    weight: Float[Tensor, ""]  # before the weights of a loss are divided by their sum
    invariance: Float[Tensor, ""] | None = None
    spread: Float[Tensor, ""] | None = None
    rank: Float[Tensor, ""] | None = None

    @property
    def name(self) -> str:
        """What logs and records call it."""
        return f"{self.subtask}_{self.level}"


class TaskLoss(NamedTuple):
    """The loss of a batch, what it is made of, and what else was measured on the way."""

    loss: Float[Tensor, ""]
    terms: Sequence[TermLoss]
    measured: Mapping[str, Tensor]  # such as training_accuracy

    def columns(self) -> dict[str, Tensor]:
        """All of it by the names that the columns of a log have."""
        columns = {"loss": self.loss} | {term.name: term.loss for term in self.terms}
        for kind in ("weight", "invariance", "spread", "rank"):
            values = {f"{kind}_{term.name}": getattr(term, kind) for term in self.terms}
            columns |= {name: value for name, value in values.items() if value is not None}
        return columns | dict(self.measured)


class PretextTask(nn.Module, ABC):
    """An encoder and what it learns by.

    `encoder` is what learns, and as a rule what a training is for: it is written to a file and
    judged, the rest is dropped.
    `views` are what the task wants to see of each video, by name. `pairs` are the views that are
    compared, by subtask; none where nothing is.
    """

    encoder: nn.Module
    views: Mapping[str, View]
    pairs: Mapping[str, Sequence[Sequence[str]]]

    @abstractmethod
    def forward(
        self, views: Views, rows: Rows, step: int, variants: Variants = NO_VARIANTS
    ) -> TaskLoss:
        """The loss of a batch.

        Args:
            views: clips of the same videos in the same order, by the names in `self.views`.
            rows: of the videos in the index; in a training a tensor on its device.
            step: how many were made before.
            variants: of the views that vary.
        """

    def after_step(self, step: int) -> None:
        """Called after the optimizer's step; `step`: how many are made now."""

    def result(self) -> nn.Module:
        """The encoder that a training is for."""
        return self.encoder

    def encoder_facts(self) -> dict[str, Any]:
        """What the file of that encoder says of it beside how it was built."""
        return {}

    def facts(self, steps: int) -> dict[str, Any]:
        """What the record of a training of `steps` steps says of it, as metrics."""
        return {}
