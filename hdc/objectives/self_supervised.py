"""Self-supervision as a pretext task: an encoder under terms at several of its levels."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hdc.data.inputs import input_named, seen_as
from hdc.objectives.equal_gradients import equal_gradients
from hdc.objectives.large_batch import gathered, in_chunks
from hdc.objectives.pretext_task import NO_VARIANTS, PretextTask, Rows, TaskLoss, Variants, Views
from hdc.objectives.teacher import MeanTeacher
from hdc.objectives.terms import TEACHER, Embedded, Terms
from hdc.runtime.errors import InputError
from hdc.runtime.seeding import torch_seed
from hdc.settings.objective import Objective


class SelfSupervisedTask(PretextTask):
    """Encoder, heads and loss, in one forward pass over all views; and a teacher, where asked."""

    def __init__(
        self,
        encoder: nn.Module,
        objective: Terms,
        settings: Objective,
        *,
        total_steps: int,
        chunk: int | None = None,
        others: Mapping[str, nn.Module] | None = None,
    ) -> None:
        """`chunk`: videos whose activations are kept at a time; None: those of all.

        `others`: encoders of other inputs than the one that `encoder` takes, by input.
        """
        super().__init__()
        self.encoder, self.objective, self.chunk = encoder, objective, chunk
        self.others = nn.ModuleDict(others or {})
        self.settings = settings
        self.views, self.pairs = objective.views, objective.pairs
        self._require_channels_that_fit()
        self.teacher = None
        if settings.teacher is not None:
            self.teacher = MeanTeacher(self._student, settings.teacher, total_steps=total_steps)

    def _require_channels_that_fit(self) -> None:
        """Inputs that share an encoder have as many channels."""
        kinds = {view.input for view in self.views.values() if view.input not in self.others}
        found = {kind: input_named(kind).channels for kind in sorted(kinds)}
        if len(set(found.values())) > 1:
            channels = ", ".join(f"{kind} of {number}" for kind, number in found.items())
            raise InputError(
                f"objective.encoders: expected by_input for inputs of other channels, found "
                f"{self.settings.encoders} for {channels}"
            )

    @property
    def _student(self) -> nn.ModuleDict:
        """What the teacher follows."""
        parts = {"encoder": self.encoder, "heads": self.objective.heads}
        return nn.ModuleDict(parts | ({"others": self.others} if self.others else {}))

    def forward(
        self, views: Views, rows: Rows, step: int, variants: Variants = NO_VARIANTS
    ) -> TaskLoss:
        """The loss of a batch, of which a process may see a part.

        Negatives come from the whole batch, also where it is split over processes or chunks.
        """
        self._shares = self.objective.level_shares(step) if self.settings.normalize else None
        embedded = (
            self._embed(views) if self.chunk is None else in_chunks(self._embed, views, self.chunk)
        )
        embedded |= self._taught(views) | self.objective.noted(variants)
        return self.objective.compare(gathered(embedded), step=step)

    def _embed(self, views: Views) -> Embedded:
        names = self.objective.seen_by(teacher=False)
        return self.objective.embed(self._features(self._student, views, names, self._shares))

    @torch.no_grad()
    def _taught(self, views: Views) -> Embedded:
        """What the teacher makes of the views that are compared with."""
        names = self.objective.seen_by(teacher=True)
        if self.teacher is None or not names:
            return {}
        videos = len(views[names[0]])
        parts = []
        for first in range(0, videos, self.chunk or videos):
            some = {name: views[name][first:][: self.chunk or videos] for name in names}
            features = self._features(self.teacher.modules_of_mean, some, names)
            parts.append(self.objective.embed(features, self.teacher["heads"], TEACHER))
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}

    def _features(
        self,
        learner: nn.ModuleDict,
        views: Views,
        names: Sequence[str],
        shares: Mapping[str, Tensor] | None = None,
    ) -> dict[str, dict[str, Tensor]]:
        """Features by view and level of student or teacher; each encoder sees one batch."""
        by_view: dict[str, dict[str, Tensor]] = {}
        for kind in ("", *self.others):  # the encoder of all other inputs than these first
            some = [name for name in names if self._encoder_of(name) == kind]
            if some:
                encoder = learner["others"][kind] if kind else learner["encoder"]
                by_view |= self._features_by(encoder, views, some, shares)
        return by_view

    def _encoder_of(self, view: str) -> str:
        """Which of the other encoders sees a view; empty: none of them."""
        kind = self.views[view].input
        return kind if kind in self.others else ""

    def _features_by(
        self,
        encoder: nn.Module,
        views: Views,
        names: Sequence[str],
        shares: Mapping[str, Tensor] | None,
    ) -> dict[str, dict[str, Tensor]]:
        """One encoder's features by view and level, its views seen as one batch."""
        levels = encoder(self._as_one_batch(views, names))
        if shares is not None:
            levels = equal_gradients(levels, shares)
        by_view: dict[str, dict[str, Tensor]] = {name: {} for name in names}
        for level, features in levels.items():
            for name, part in zip(names, features.chunk(len(names)), strict=True):
                by_view[name][level] = part
        return by_view

    def _as_one_batch(self, views: Views, names: Sequence[str]) -> Float[Tensor, "_ _ _ _ _"]:
        """Views one after another, each as the input that it is to be."""
        kinds = {self.views[name].input for name in names}
        if len(kinds) == 1:
            return seen_as(kinds.pop(), as_one_batch([views[name] for name in names]))
        return torch.cat([seen_as(self.views[name].input, views[name]) for name in names])

    def after_step(self, step: int) -> None:
        """Let the queues and the teacher take in what the step made."""
        self.objective.after_step(step)
        if self.teacher is not None:
            self.teacher.follow(self._student, step)

    def result(self) -> nn.Module:
        """The student, or the teacher where the settings say so."""
        return self.teacher["encoder"] if self.settings.export == "teacher" else self.encoder

    def encoder_facts(self) -> dict[str, Any]:
        """Which of student and teacher it is, where there are both; what it sees, if not frames."""
        sees = self.settings.exported
        facts = {} if self.teacher is None else {"export": self.settings.export}
        return facts | ({} if sees == "rgb" else {"sees": sees})

    def facts(self, steps: int) -> dict[str, Any]:
        """The subtask and level of every term; in the end its invariance, spread and rank."""
        objective = self.objective
        named = {
            name: {"subtask": subtask, "level": level}
            for name, (subtask, level) in objective.named.items()
        }
        return {
            "invariance": objective.weights.running.by_name(steps),
            "spread": objective.spread.by_name(steps),
            "effective_rank": objective.rank.by_name(steps),
            "terms": named,
        }


def as_one_batch(
    views: Sequence[Float[Tensor, "video _ time height width"]],
) -> Float[Tensor, "_ _ time height width"]:
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


def self_supervised_task(
    encoder: nn.Module,
    settings: Objective,
    *,
    seed: int,
    total_steps: int,
    frames: int,
    frozen: Mapping[str, float] | None = None,
    chunk: int | None = None,
    others: Mapping[str, nn.Module] | None = None,
) -> SelfSupervisedTask:
    """An encoder with its terms; the heads' first weights are drawn apart from the encoder's.

    `frames`: of a clip. The rest: as `Terms` and `SelfSupervisedTask` say.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "heads"))
        objective = Terms(
            settings,
            encoder.levels,
            seed=seed,
            total_steps=total_steps,
            frames=frames,
            frozen=frozen,
        )
    more = {"total_steps": total_steps, "chunk": chunk, "others": others}
    return SelfSupervisedTask(encoder, objective, settings, **more)
