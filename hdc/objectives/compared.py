"""A term that compares pairs of views at one level of an encoder."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from hdc.backbones.level import Level, time_steps
from hdc.objectives.key_queue import KeyQueue
from hdc.objectives.named_loss import built_loss
from hdc.objectives.pretext_task import Found
from hdc.objectives.row_pairs import any_time, end_to_end, other_times, same_time, whole_clip
from hdc.objectives.spread import spread_and_rank
from hdc.objectives.term_weights import instance_top1
from hdc.runtime.seeding import generator
from hdc.runtime.sending import sent
from hdc.settings.objective import TIMES, VIDEOS, Term

Mine = Mapping[tuple[str, str], Tensor]  # a term's tensors, by view and kind


class Compared:
    """The mean over pairs of views of a loss between what learns and what it is compared with."""

    def __init__(self, name: str, settings: Term, *, seed: int, teaches: bool) -> None:
        """`teaches`: a teacher embeds the second view of a pair, and views that are negatives."""
        self.name, self.settings, self.seed, self.teaches = name, settings, seed, teaches
        self.queued = settings.queue > 0
        self.told_from = [n for n in settings.negatives if n not in (VIDEOS, TIMES)]
        self.function, self.given = built_loss(settings.loss)

    def views(self, teacher: bool) -> set[str]:
        """The names of the views that the student embeds, or that the teacher does."""
        first = {pair[0] for pair in self.settings.pairs}
        second = {pair[1] for pair in self.settings.pairs} | set(self.told_from)
        if teacher:
            return second if self.teaches else set()
        return first if self.teaches else first | second

    def loss(self, mine: Mine, step: int, queue: KeyQueue | None) -> Found:
        """The loss in this batch, and what is measured of its features and embeddings."""
        losses, keys = [], []
        learns = "predicted" if self.settings.head.predictor is not None else "embedded"
        kind = "target" if self.teaches else "embedded"
        for view, partner in self.settings.pairs:
            first, second = self._rows(mine[view, learns], mine[partner, kind], step)
            given = {"first": first, "query": first, "prediction": first}
            given |= {"second": second, "key": second, "target": second}
            given["queue"] = None if queue is None else queue.rows
            given["others"] = self._others(mine, view, partner, kind, queue)
            losses.append(self.function(**{name: given[name] for name in self.given}))
            keys.append(second)
        if queue is not None:
            queue.note(torch.cat(keys, dim=-2))
        spread, rank = self._spread(mine)
        return Found(torch.stack(losses).mean(), self._invariance(mine), spread, rank)

    def _rows(self, first: Tensor, second: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Both sides as rows, each group of which is compared for itself."""
        if self.settings.pool == "clip" or VIDEOS not in self.settings.negatives:
            return first, second  # the groups are the videos, where time steps are told apart
        if self.settings.match == "same_time":
            return same_time(first, second)
        if self.settings.match == "whole_clip":
            return whole_clip(first, second)
        shifts = sent(self._shifts(step, *first.shape[:2]), first.device)
        return any_time(first, second, shifts)

    def _others(
        self, mine: Mine, view: str, partner: str, kind: str, queue: KeyQueue | None
    ) -> Float[Tensor, "*group _ negative dim"] | None:
        """Negatives of each row beside the other rows; None: there are none."""
        found = [] if queue is None else [queue.rows.unsqueeze(-3)]
        if TIMES in self.settings.negatives and VIDEOS in self.settings.negatives:
            found.append(other_times(mine[view, "embedded"], mine[partner, kind]))
        found += [self._as_rows(mine[name, kind]).unsqueeze(-2) for name in self.told_from]
        return torch.cat(found, dim=-2) if found else None

    def _as_rows(self, embedded: Tensor) -> Tensor:
        """One view as rows, in the groups of `_rows`."""
        if self.settings.pool == "clip" or VIDEOS not in self.settings.negatives:
            return embedded
        if self.settings.match == "whole_clip":
            return end_to_end(embedded)
        return embedded.transpose(0, 1)

    def _shifts(self, step: int, videos: int, times: int) -> Tensor:
        """For each video how many steps later, in a circle, its other view is taken: 1 or more."""
        random = generator(self.seed, "any_time", step, self.name)
        return torch.from_numpy(random.integers(1, times, size=videos))

    @torch.no_grad()
    def _invariance(self, mine: Mine) -> Float[Tensor, ""]:
        """Chance-corrected instance top-1 of the pooled features, mean over pairs of views."""
        kind, scores = "target_pooled" if self.teaches else "pooled", []
        for view, partner in self.settings.pairs:
            first, second = mine[view, "pooled"], mine[partner, kind]
            if self.settings.pool == "space":  # (video, time, channel): each step for itself
                first, second = first.transpose(0, 1), second.transpose(0, 1)
            scores.append(instance_top1(first, second))
        return torch.stack(scores).mean()

    def _spread(self, mine: Mine) -> tuple[Tensor, Tensor]:
        """Of the student's embeddings of the first view of the first pair."""
        rows = mine[self.settings.pairs[0][0], "embedded"]
        return spread_and_rank(rows.transpose(0, 1) if self.settings.pool == "space" else rows)


def queue_shape(term: Term, level: Level, frames: int) -> tuple[int, ...]:
    """(row, dim), or (time, row, dim) where time steps are compared each for itself.

    A step leaves the second views of all pairs. `frames`: of a clip.
    """
    times = time_steps(frames, level.time_stride)
    if term.pool == "clip":
        return term.queue, term.head.dim
    if term.match == "whole_clip":
        return term.queue, times * term.head.dim
    return times, term.queue, term.head.dim
