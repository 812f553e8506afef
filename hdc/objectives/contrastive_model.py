"""HD-NCE as a pretext task: an encoder under a hierarchical contrast."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hdc.objectives.hd_nce import Embedded, HierarchicalContrast
from hdc.objectives.large_batch import gathered, in_chunks
from hdc.objectives.pretext_task import PretextTask, Rows, TaskLoss, Views
from hdc.runtime.seeding import torch_seed
from hdc.settings.schema import Objective


class ContrastiveModel(PretextTask):
    """Encoder, heads and loss, in one forward pass over all views."""

    def __init__(
        self, encoder: nn.Module, contrast: HierarchicalContrast, *, chunk: int | None = None
    ) -> None:
        """`chunk`: videos whose activations are kept at a time; None: those of all."""
        super().__init__()
        self.encoder, self.contrast, self.chunk = encoder, contrast, chunk
        self.views = contrast.views
        self.pairs = {name: subtask.pairs for name, subtask in contrast.subtasks.items()}

    def forward(self, views: Views, rows: Rows, step: int) -> TaskLoss:
        """The loss of a batch, of which a process may see a part.

        Negatives come from the whole batch, also where it is split over processes or chunks.
        """
        embedded = (
            self._embed(views) if self.chunk is None else in_chunks(self._embed, views, self.chunk)
        )
        return self.contrast.compare(gathered(embedded), step=step)

    def _embed(self, views: Views) -> Embedded:
        return self.contrast.embed(self._features(views))

    def _features(self, views: Views) -> dict[str, dict[str, Tensor]]:
        """The encoder's features by view and level, all views seen as one batch."""
        levels = self.encoder(as_one_batch([views[name] for name in self.views]))
        by_view: dict[str, dict[str, Tensor]] = {name: {} for name in self.views}
        for level, features in levels.items():
            for name, part in zip(self.views, features.chunk(len(self.views)), strict=True):
                by_view[name][level] = part
        return by_view

    def facts(self, steps: int) -> dict[str, Any]:
        """The subtask and the level of every term, and its running invariance in the end."""
        weights, terms = self.contrast.weights, self.contrast.terms
        invariance = dict(zip(weights.names, weights.invariance(steps).tolist(), strict=True))
        named = {
            name: {"subtask": subtask, "level": level} for name, (subtask, level) in terms.items()
        }
        return {"invariance": invariance, "terms": named}


def as_one_batch(
    views: Sequence[Float[Tensor, "video 3 time height width"]],
) -> Float[Tensor, "_ 3 time height width"]:
    """Views one after another; without a copy where they are all of one tensor, in its order."""
    whole, videos = views[0]._base, len(views[0])
    if whole is not None and whole.shape == (videos * len(views), *views[0].shape[1:]):
        parts = zip(views, whole.split(videos), strict=True)
        if all(_places(view) == _places(part) for view, part in parts):
            return whole
    return torch.cat(list(views))


def _places(view: Tensor) -> tuple[Any, ...]:
    """Where the numbers of a view lie."""
    return view.data_ptr(), view.shape, view.stride()


def contrastive_model(
    encoder: nn.Module,
    settings: Objective,
    *,
    seed: int,
    total_steps: int,
    frozen: Mapping[str, float] | None,
    chunk: int | None = None,
) -> ContrastiveModel:
    """An encoder with its contrast; the heads' first weights are drawn apart from the encoder's."""
    channels = {name: level.channels for name, level in encoder.levels.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "heads"))
        contrast = HierarchicalContrast(
            settings, channels, seed=seed, total_steps=total_steps, frozen=frozen
        )
    return ContrastiveModel(encoder, contrast, chunk=chunk)
