"""The terms of an objective at several levels of an encoder, weighted: HD-NCE, and others like it.

Source: Zhang and Crandall (arXiv 2011.11261); `docs/method.md` says what is theirs and what is our
reading of it.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hdc.backbones.level import Level
from hdc.data.variations import built_variation
from hdc.objectives.compared import Compared, queue_shape
from hdc.objectives.key_queue import KeyQueue
from hdc.objectives.pretext_task import Found, TaskLoss, TermLoss, Variants
from hdc.objectives.projection_head import predictor, projection_head
from hdc.objectives.running_mean import RunningMean
from hdc.objectives.term_weights import TermWeights
from hdc.objectives.told import Told
from hdc.runtime.errors import InputError
from hdc.settings.objective import Objective, Term, View

# By term, view and kind: `pooled` features before any head (no gradient), what a head makes of them
# (`embedded`), `predicted` by a predictor; with a teacher its `target_pooled` and `target`; of a
# view that varies the `variant`, as a number.
# (video, dim), or (video, time, dim) where time is kept.
Embedded = dict[tuple[str, str, str], Tensor]
Features = Mapping[str, Mapping[str, Float[Tensor, "video _ _ _ _"]]]  # by view and level
STUDENT, TEACHER = ("pooled", "embedded"), ("target_pooled", "target")


def pool(
    features: Float[Tensor, "*batch channel time height width"], pooling: str
) -> Float[Tensor, "*batch channel"] | Float[Tensor, "*batch time channel"]:
    """Mean over height and width (`space`: time stays), or over time, too (`clip`)."""
    if pooling == "space":
        return features.mean(dim=(-2, -1)).mT
    return features.mean(dim=(-3, -2, -1))


def views_in_use(settings: Objective) -> dict[str, View]:
    """The views that a term uses, in their order."""
    used = {name for term in settings.in_use().values() for name in term.views()}
    return {name: view for name, view in settings.views.items() if name in used}


class Terms(nn.Module):
    """The weighted mean of the terms at the levels in use, with their heads and queues."""

    def __init__(
        self,
        settings: Objective,
        levels: Mapping[str, Level],
        *,
        seed: int,
        total_steps: int,
        frames: int,
        frozen: Mapping[str, float] | None = None,
    ) -> None:
        """`levels`: those of the backbone, shallow to deep. `frames`: of a clip.

        `frozen` are weights by term that another run has measured. Raises InputError if the
        backbone has fewer levels than a term uses, or a term has no frozen weight.
        """
        super().__init__()
        self.views, self.teaches = views_in_use(settings), settings.teacher is not None
        at = {name: _levels_of(name, term, levels) for name, term in settings.in_use().items()}
        self.levels = [name for name in levels if any(name in used for used in at.values())]
        self.named = {
            f"{subtask}_{level}": (subtask, level) for subtask, used in at.items() for level in used
        }
        self.settings = {name: settings.terms[kind] for name, (kind, _) in self.named.items()}
        self.heads, self.predictors = nn.ModuleDict(), nn.ModuleDict()
        self.queues = nn.ModuleDict()
        self.terms: dict[str, Compared | Told] = {}
        for name, (_, level) in self.named.items():
            self._add(name, levels[level], seed=seed, frames=frames)
        compared = [name for name, term in self.settings.items() if not term.predict]
        self.weights = TermWeights(
            self._fixed_weights(settings, at, frozen),
            kind=settings.weighting,
            decay=settings.measuring_decay,
            floor=settings.measuring_floor,
            equal_steps=round(settings.measuring_from * total_steps),
            invariant=compared,
        )
        self.spread = RunningMean(compared, settings.measuring_decay)
        self.rank = RunningMean(compared, settings.measuring_decay)

    def _add(self, name: str, level: Level, *, seed: int, frames: int) -> None:
        """The parts of one term at one level."""
        term = self.settings[name]
        if term.predict:
            classes = built_variation(self.views[term.predict[0]].vary).classes
            self.heads[name] = nn.Linear(level.channels, classes)
            self.terms[name] = Told(term.predict)
            return
        self.heads[name] = projection_head(level.channels, term.head)
        if term.head.predictor is not None:
            self.predictors[name] = predictor(term.head, term.head.predictor)
        if term.queue:
            shape = queue_shape(term, level, frames)
            self.queues[name] = KeyQueue(shape, seed=seed, name=name)
        self.terms[name] = Compared(name, term, seed=seed, teaches=self.teaches)

    def _fixed_weights(
        self,
        settings: Objective,
        at: Mapping[str, list[str]],
        frozen: Mapping[str, float] | None,
    ) -> dict[str, float]:
        """The weight of every term: alpha and beta of the settings, or those measured before."""
        weights = {
            f"{subtask}_{level}": float(weight)
            for subtask, used in at.items()
            for level, weight in zip(used, settings.terms[subtask].weights, strict=True)
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

    @property
    def pairs(self) -> dict[str, list[list[str]]]:
        """The views that are compared, by subtask."""
        return {
            subtask: self.settings[name].pairs
            for name, (subtask, _) in self.named.items()
            if not self.settings[name].predict
        }

    def seen_by(self, teacher: bool) -> list[str]:
        """The views that the student embeds, or those that the teacher does, in their order."""
        used = {view for term in self.terms.values() for view in term.views(teacher)}
        return [name for name in self.views if name in used]

    def level_shares(self, step: int) -> dict[str, Float[Tensor, ""]]:
        """How much each level counts at a step, all together 1."""
        weights = self.weights.current(step)
        shares, at = weights / weights.sum(), [level for _, level in self.named.values()]
        return {
            level: shares[[place for place, other in enumerate(at) if other == level]].sum()
            for level in self.levels
        }

    def embed(
        self, features: Features, heads: nn.Module | None = None, kinds: tuple[str, str] = STUDENT
    ) -> Embedded:
        """Pooled features and embeddings of every term and view that it uses.

        Each video is embedded for itself, so the videos of a batch may come in parts. `heads`: the
        teacher's, whose `kinds` are TEACHER.
        """
        heads, teacher = heads or self.heads, kinds == TEACHER
        embedded: Embedded = {}
        for name, term in self.terms.items():
            used, level = term.views(teacher), self.named[name][1]
            for view in (view for view in self.views if view in used):
                pooled = self._pooled(name, features[view][level])
                embedded[name, view, kinds[0]] = pooled.detach()
                embedded[name, view, kinds[1]] = heads[name](pooled)
                if name in self.predictors and not teacher:
                    made = self.predictors[name](embedded[name, view, kinds[1]])
                    embedded[name, view, "predicted"] = made
        return embedded

    def forward(self, features: Features, *, step: int) -> TaskLoss:
        """The loss and its terms, as `compare` gives them, of the features of a whole batch."""
        return self.compare(self.embed(features), step=step)

    def noted(self, variants: Variants) -> Embedded:
        """How each clip was varied, for the terms that tell that; as what was embedded is kept."""
        return {
            (name, view, "variant"): variants[view].float().unsqueeze(1)
            for name, term in self.terms.items()
            if isinstance(term, Told)
            for view in term.names
        }

    def compare(self, embedded: Embedded, *, step: int) -> TaskLoss:
        """The loss and every term; `embedded` are those of all videos of the batch."""
        found, measured = {}, {}
        for name, term in self.terms.items():
            mine = {(view, kind): x for (of, view, kind), x in embedded.items() if of == name}
            if isinstance(term, Told):
                found[name], measured[f"accuracy_{name}"] = term.loss(mine)
            else:
                found[name] = term.loss(mine, step, self.queues[name] if term.queued else None)
        losses = torch.stack([part.loss for part in found.values()])
        loss, weights = self.weights.weighted(losses, step), self.weights.current(step)
        if self.training:
            self._measure(found)
        terms = [
            TermLoss(*self.named[name], part.loss, weight, part.invariance, part.spread, part.rank)
            for (name, part), weight in zip(found.items(), weights, strict=True)
        ]
        return TaskLoss(loss, terms, measured)

    def _measure(self, found: Mapping[str, Found]) -> None:
        found = {name: part for name, part in found.items() if part.invariance is not None}
        self.weights.running.update({name: part.invariance for name, part in found.items()})
        self.spread.update({name: part.spread for name, part in found.items()})
        self.rank.update({name: part.rank for name, part in found.items()})

    def after_step(self, step: int) -> None:
        """Let the queues take in what the step embedded."""
        for queue in self.queues.values():
            queue.after_step(step)

    def _pooled(self, name: str, features: Tensor) -> Tensor:
        """The pooled features of a view, before any head."""
        subtask, level = self.named[name]
        pooled = pool(features, self.settings[name].pool)
        if self.settings[name].pool == "space" and pooled.shape[1] < 2:
            raise InputError(
                f"objective.terms.{subtask}.pool: expected at least 2 time steps at {level} to "
                f"pool over space only, got {pooled.shape[1]}; use longer clips or fewer levels"
            )
        return pooled


def _levels_of(name: str, term: Term, levels: Mapping[str, Level]) -> list[str]:
    """The levels that a term uses: as many as it has weights, the last ones."""
    if len(term.weights) > len(levels):
        raise InputError(
            f"objective.terms.{name}.weights: expected at most {len(levels)}, one for each level "
            f"of the backbone, got {len(term.weights)}"
        )
    return list(levels)[-len(term.weights) :]
