"""Means over the last steps of a training of what is measured at each of its terms."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class RunningMean(nn.Module):
    """An exponential mean a term; part of a training's state."""

    def __init__(self, names: Sequence[str], decay: float) -> None:
        """`decay`: what a step leaves of the mean before it."""
        super().__init__()
        self.names, self.decay = list(names), decay
        self.register_buffer("mean", torch.zeros(len(self.names)))

    def update(self, latest: Mapping[str, Float[Tensor, ""]]) -> None:
        """Take in the values of one step."""
        if self.names:
            values = torch.stack([latest[name] for name in self.names])
            self.mean.lerp_(values, 1 - self.decay)

    def after(self, steps: int) -> Float[Tensor, " term"]:
        """The mean after `steps` updates, without its bias towards its start at 0."""
        return self.mean / (1 - self.decay ** max(steps, 1))

    def by_name(self, steps: int) -> dict[str, float]:
        """The same, by term."""
        return dict(zip(self.names, self.after(steps).tolist(), strict=True))
