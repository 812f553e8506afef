"""Keeps the epoch that does best on validation videos, also across interruptions."""

import math
from collections.abc import Callable
from typing import Any

from hdc.runtime.errors import InputError
from hdc.training.trainer import Training


class BestEpoch:
    """The weights after the epoch with the least loss on validation; the earliest among equals.

    `judge` raises InputError for a loss that is not finite.

    Everything is kept in the training's state, so a resumed training chooses the same epoch.
    """

    def __init__(self, training: Training, loss: Callable[[], float]) -> None:
        """`loss` judges the model as it is, in nats, and may leave it in evaluation mode."""
        self.training, self.loss = training, loss

    def judge(self) -> None:
        """Judge the weights at hand, if they are those at the end of an epoch not yet judged."""
        training, kept = self.training, self.training.kept
        epoch, inside = divmod(training.step, training.steps_per_epoch)
        judged = kept.setdefault("validation_loss", [])
        if inside or epoch != len(judged) + 1:
            return
        loss = self.loss()
        if not math.isfinite(loss):
            raise InputError(
                f"expected a finite loss on validation, got {loss} after epoch {epoch}; lower "
                "finetune.learning_rate"
            )
        judged.append(loss)
        if judged[-1] <= min(judged) and judged.count(judged[-1]) == 1:
            kept["epoch"], kept["model"] = epoch, _copied(training.task.state_dict())
        training.model.train()

    def load(self) -> None:
        """Put the best epoch's weights into the model."""
        self.training.task.load_state_dict(self.training.kept["model"])

    def facts(self) -> dict[str, Any]:
        """Which epoch it is, counted from 1, and the loss after each, for the record."""
        kept = self.training.kept
        return {"best_epoch": kept["epoch"], "validation_loss": kept["validation_loss"]}


def _copied(weights: dict[str, Any]) -> dict[str, Any]:
    """On the processor, apart from the weights that go on changing."""
    return {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
