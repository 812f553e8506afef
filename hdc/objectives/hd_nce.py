"""HD-NCE: spatial and temporal contrast at several levels of an encoder, weighted.

Source: Zhang and Crandall (arXiv 2011.11261); `docs/method.md` says what is theirs and what is our
reading of it.
"""

from collections.abc import Mapping

import torch
import torch.nn as nn
from jaxtyping import Float
from torch import Tensor

from hdc.losses.subtasks import (
    spatial_any_time,
    spatial_contrast,
    spatial_whole_clip,
    temporal_contrast,
)
from hdc.objectives.pretext_task import TaskLoss, Term
from hdc.objectives.projection_head import projection_head
from hdc.objectives.term_weights import TermWeights, instance_top1
from hdc.runtime.errors import InputError
from hdc.runtime.seeding import generator
from hdc.runtime.sending import sent
from hdc.settings.schema import Objective, Subtask, View

__all__ = ["HierarchicalContrast", "pool", "spatial_contrast", "temporal_contrast"]

SUBTASKS = ("spatial", "temporal")
# By term, view and kind, `pooled` before the head (no gradient) or `embedded` after it:
# (video, dim), or (video, time, dim) where time is kept.
Embedded = dict[tuple[str, str, str], Tensor]


def pool(
    features: Float[Tensor, "*batch channel time height width"], pooling: str
) -> Float[Tensor, "*batch channel"] | Float[Tensor, "*batch time channel"]:
    """Mean over height and width (`space`: time stays), or over time, too (`clip`)."""
    if pooling == "space":
        return features.mean(dim=(-2, -1)).mT
    return features.mean(dim=(-3, -2, -1))


def views_in_use(settings: Objective) -> dict[str, View]:
    """The views that a subtask compares, in their order."""
    tasks = (getattr(settings, name) for name in SUBTASKS)
    used = {name for task in tasks if task is not None for pair in task.pairs for name in pair}
    return {name: view for name, view in settings.views.items() if name in used}


class HierarchicalContrast(nn.Module):
    """The weighted mean of the terms of both subtasks at the levels in use, with their heads."""

    def __init__(
        self,
        settings: Objective,
        channels: Mapping[str, int],
        *,
        seed: int,
        total_steps: int,
        frozen: Mapping[str, float] | None = None,
    ) -> None:
        """`channels`: of every level of the backbone, shallow to deep.

        `frozen` are weights by term that another run has measured. Raises InputError if the
        backbone has fewer levels than the settings use, or a term has no frozen weight.
        """
        super().__init__()
        if settings.levels > len(channels):
            raise InputError(
                f"objective.levels: expected at most the backbone's {len(channels)}, "
                f"got {settings.levels}"
            )
        self.temperature, self.seed = settings.temperature, seed
        self.levels = list(channels)[-settings.levels :]
        self.subtasks: dict[str, Subtask] = {
            name: getattr(settings, name)
            for name in SUBTASKS
            if getattr(settings, name) is not None
        }
        self.views = views_in_use(settings)
        self.terms = {
            f"{subtask}_{level}": (subtask, level)
            for subtask in self.subtasks
            for level in self.levels
        }
        self.weights = TermWeights(
            self._fixed_weights(settings, frozen),
            measured=settings.weighting == "measured",
            decay=settings.measuring_decay,
            floor=settings.measuring_floor,
            equal_steps=round(settings.measuring_from * total_steps),
        )
        self.heads = nn.ModuleDict(
            {
                name: projection_head(channels[level], settings.head_dim)
                for name, (_, level) in self.terms.items()
            }
        )

    def _fixed_weights(
        self, settings: Objective, frozen: Mapping[str, float] | None
    ) -> dict[str, float]:
        """The weight of every term: alpha and beta of the settings, or those measured before."""
        weights = {
            f"{subtask}_{level}": float(weight)
            for subtask in self.subtasks
            for level, weight in zip(
                self.levels, getattr(settings, f"{subtask}_weights"), strict=True
            )
        }
        if settings.weighting != "frozen":
            return weights
        lacking = [name for name in weights if name not in (frozen or {})]
        if frozen is None or lacking:
            raise InputError(
                f"measured: expected the invariance of {', '.join(lacking)} in the record of the "
                f"run {settings.measured_by}, found none"
            )
        return {name: max(frozen[name], settings.measuring_floor) for name in weights}

    def forward(
        self, features: Mapping[str, Mapping[str, Float[Tensor, "video _ _ _ _"]]], *, step: int
    ) -> TaskLoss:
        """The loss and its terms, as `compare` gives them, of the features of a whole batch."""
        return self.compare(self.embed(features), step=step)

    def embed(
        self, features: Mapping[str, Mapping[str, Float[Tensor, "video _ _ _ _"]]]
    ) -> Embedded:
        """Pooled features and embeddings of every term and view that it uses.

        `features` are those of each view by level, (video, channel, time, height, width). Each
        video is embedded for itself, so the videos of a batch may come in parts.
        """
        embedded: Embedded = {}
        for name, (subtask, level) in self.terms.items():
            used = {view for pair in self.subtasks[subtask].pairs for view in pair}
            for view in self.views:
                if view in used:
                    pooled = self._pooled(subtask, level, features[view][level])
                    embedded[name, view, "pooled"] = pooled.detach()
                    embedded[name, view, "embedded"] = self.heads[name](pooled)
        return embedded

    def compare(self, embedded: Embedded, *, step: int) -> TaskLoss:
        """The loss and every term; `embedded` are those of all videos of the batch."""
        losses, invariance = {}, {}
        for name, (subtask, _) in self.terms.items():
            settings = self.subtasks[subtask]
            losses[name] = self._term(name, settings, _views(embedded, name, "embedded"), step)
            invariance[name] = self._invariance(settings, _views(embedded, name, "pooled"))
        weights = self.weights.current(step)
        loss = (weights / weights.sum() * torch.stack(list(losses.values()))).sum()
        if self.training:
            self.weights.update(invariance)
        terms = [
            Term(*self.terms[name], losses[name], weight, invariance[name])
            for name, weight in zip(losses, weights, strict=True)
        ]
        return TaskLoss(loss, terms, {})

    def _pooled(self, subtask: str, level: str, features: Tensor) -> Tensor:
        """The pooled features of a view, before any head."""
        pooling = self.subtasks[subtask].pooling
        pooled = pool(features, pooling)
        if pooling == "space" and pooled.shape[1] < 2:
            raise InputError(
                f"objective.{subtask}.pooling: expected at least 2 time steps at {level} to pool "
                f"over space only, got {pooled.shape[1]}; use longer clips or fewer levels"
            )
        return pooled

    def _term(
        self, name: str, settings: Subtask, views: Mapping[str, Tensor], step: int
    ) -> Float[Tensor, ""]:
        """One subtask at one level: the mean over its pairs of views."""
        losses = []
        for view, partner in settings.pairs:
            first, second, temperature = views[view], views[partner], self.temperature
            if settings.pooling == "clip":
                losses.append(temporal_contrast(first, second, temperature=temperature))
            elif settings.match == "same_time":
                losses.append(spatial_contrast(first, second, temperature=temperature))
            elif settings.match == "whole_clip":
                losses.append(spatial_whole_clip(first, second, temperature=temperature))
            else:
                shifts = sent(self._shifts(name, step, *first.shape[:2]), first.device)
                losses.append(spatial_any_time(first, second, shifts, temperature=temperature))
        return torch.stack(losses).mean()

    def _shifts(self, name: str, step: int, videos: int, times: int) -> Tensor:
        """For each video how many steps later, in a circle, its other view is taken: 1 or more."""
        random = generator(self.seed, "any_time", step, name)
        return torch.from_numpy(random.integers(1, times, size=videos))

    @torch.no_grad()
    def _invariance(self, settings: Subtask, views: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Chance-corrected instance top-1 of the pooled features, mean over pairs of views."""
        scores = []
        for view, partner in settings.pairs:
            first, second = views[view], views[partner]
            if settings.pooling == "space":  # (video, time, channel): each step for itself
                first, second = first.transpose(0, 1), second.transpose(0, 1)
            scores.append(instance_top1(first, second))
        return torch.stack(scores).mean()


def _views(embedded: Embedded, name: str, kind: str) -> dict[str, Tensor]:
    """One kind of a term's tensors, by view."""
    return {
        view: table for (of, view, what), table in embedded.items() if (of, what) == (name, kind)
    }
