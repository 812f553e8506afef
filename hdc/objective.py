"""HD-NCE: spatial and temporal contrast at several levels of an encoder, weighted.

Source: Zhang and Crandall (arXiv 2011.11261); `docs/method.md` says what is theirs and what is our
reading of it.
"""

from collections.abc import Mapping

import torch
import torch.nn as nn
from jaxtyping import Float
from torch import Tensor

from hdc.errors import InputError
from hdc.heads import projection_head
from hdc.losses.nt_xent import nt_xent
from hdc.settings import Objective, Subtask, View

SUBTASKS = ("spatial", "temporal")


def spatial_contrast(
    first: Float[Tensor, "video time dim"],
    second: Float[Tensor, "video time dim"],
    *,
    temperature: float | int,
) -> Float[Tensor, ""]:
    """NT-Xent between two views of one clip at each time step; mean over steps, in nats.

    The negatives at a step are the other videos at the same step, in both views.
    Raises ValueError as `nt_xent` does.
    """
    if first.ndim != 3 or first.shape != second.shape:
        raise ValueError(
            f"spatial_contrast needs two equal shapes (video, time, dim), got {tuple(first.shape)} "
            f"and {tuple(second.shape)}"
        )
    return nt_xent(first.transpose(0, 1), second.transpose(0, 1), temperature=temperature)


def temporal_contrast(
    first: Float[Tensor, "video dim"],
    second: Float[Tensor, "video dim"],
    *,
    temperature: float | int,
) -> Float[Tensor, ""]:
    """NT-Xent between two clips of each video, in nats.

    Raises ValueError as `nt_xent` does.
    """
    if first.ndim != 2:
        raise ValueError(f"temporal_contrast needs shape (video, dim), got {tuple(first.shape)}")
    return nt_xent(first, second, temperature=temperature)


def pool(
    features: Float[Tensor, "*batch channel time height width"], pooling: str
) -> Float[Tensor, "*batch channel"] | Float[Tensor, "*batch time channel"]:
    """Mean over height and width (`space`: time stays), or over time, too (`clip`)."""
    if pooling == "space":
        return features.mean(dim=(-2, -1)).mT
    return features.mean(dim=(-3, -2, -1))


class HierarchicalContrast(nn.Module):
    """The weighted mean of the terms of both subtasks at the levels in use, with their heads."""

    def __init__(self, settings: Objective, channels: Mapping[str, int]) -> None:
        """`channels`: of every level of the backbone, shallow to deep.

        Raises InputError if the backbone has fewer levels than the settings use.
        """
        super().__init__()
        if settings.levels > len(channels):
            raise InputError(
                f"objective.levels: expected at most the backbone's {len(channels)}, "
                f"got {settings.levels}"
            )
        self.temperature = settings.temperature
        self.levels = list(channels)[-settings.levels :]
        self.subtasks: dict[str, Subtask] = {
            name: getattr(settings, name)
            for name in SUBTASKS
            if getattr(settings, name) is not None
        }
        used = {name for task in self.subtasks.values() for pair in task.pairs for name in pair}
        self.views: dict[str, View] = {
            name: view for name, view in settings.views.items() if name in used
        }
        self.weights = {
            f"{subtask}_{level}": float(weight)
            for subtask in self.subtasks
            for level, weight in zip(
                self.levels, getattr(settings, f"{subtask}_weights"), strict=True
            )
        }
        self.heads = nn.ModuleDict(
            {
                f"{subtask}_{level}": projection_head(channels[level], settings.head_dim)
                for subtask in self.subtasks
                for level in self.levels
            }
        )

    def forward(
        self, features: Mapping[str, Float[Tensor, "batch _ _ _ _"]]
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The loss, and every term by `<subtask>_<level>`, in nats.

        `features` are those of the views in the order of `self.views`, one after the other in the
        batch: (views * video, channel, time, height, width) a level.
        """
        terms = {
            f"{subtask}_{level}": self._term(subtask, level, features[level])
            for subtask in self.subtasks
            for level in self.levels
        }
        total = sum(self.weights.values())
        loss = sum(self.weights[name] / total * term for name, term in terms.items())
        return loss, terms

    def _term(self, subtask: str, level: str, features: Tensor) -> Float[Tensor, ""]:
        """One subtask at one level: the mean over its pairs of views."""
        settings = self.subtasks[subtask]
        by_view = pool(features, settings.pooling).unflatten(0, (len(self.views), -1))
        if settings.pooling == "space" and by_view.shape[2] < 2:
            raise InputError(
                f"objective.{subtask}.pooling: expected at least 2 time steps at {level} to pool "
                f"over space only, got {by_view.shape[2]}; use longer clips or fewer levels"
            )
        number = {name: i for i, name in enumerate(self.views)}
        head = self.heads[f"{subtask}_{level}"]
        used = {name for pair in settings.pairs for name in pair}
        embedded = {name: head(by_view[number[name]]) for name in used}
        contrast = spatial_contrast if settings.pooling == "space" else temporal_contrast
        losses = [
            contrast(embedded[first], embedded[second], temperature=self.temperature)
            for first, second in settings.pairs
        ]
        return torch.stack(losses).mean()
