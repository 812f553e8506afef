"""What the settings of an objective mean: views of a video, and the terms that compare them.

As in `hdc.settings.schema`: `check` raises ValueError as `<key>: expected <what>, got <found>`.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from hdc.runtime.input_names import FLOW, NAMED
from hdc.settings.added import added
from hdc.settings.checks import require, require_choice, require_positive, require_share

VIDEOS, TIMES = "videos", "times"  # kinds of negatives; any other is a view's name
ORDERS = ("forward", "reversed", "shuffled")


@dataclass
class View:
    """A clip as one branch of an objective sees it."""

    crop: int = MISSING  # which temporal crop of the video: 1, 2, ...
    draw: str = MISSING  # which spatial draw: views that name the same letter share one
    still: bool = False  # its first frame, repeated
    order: str = added("forward")  # of its frames; shuffled: drawn anew in each epoch
    # A part: the clip is changed in one of several ways, drawn at random; a term may tell which.
    vary: Any = added(None)
    # difference: each frame less the one before; flow: optical flow; or the dotted name of an
    # `hdc.data.inputs.Input` of the user's own.
    input: str = added("rgb")

    def check(self) -> None:
        require("crop", self.crop, self.crop >= 1, "1 or more")
        require_choice("order", self.order, ORDERS)
        if "." not in self.input:
            require_choice("input", self.input, NAMED)
        plain = self.order == "forward" or self.vary is None
        require("order", self.order, plain, "forward, where the view varies")
        if self.input == FLOW:
            require("still", self.still, not self.still, "false for flow: nothing moves there")
            require("vary", "one", self.vary is None, "null for flow, which is not varied")


@dataclass
class Head:
    """The perceptron from pooled features to embeddings, one a level."""

    dim: int = MISSING  # width of the embeddings
    layers: int = added(2)  # the inner ones as wide as the features
    batch_norm: bool = added(False)  # after every inner layer
    # Width of the inner layer of a second perceptron, from embeddings to predictions of the other
    # view's; null: none.
    predictor: int | None = added(None)

    def check(self) -> None:
        require_positive(self, "dim", "layers")
        if self.predictor is not None:
            require_positive(self, "predictor")


@dataclass
class Term:
    """One part of an objective, at several levels: views that are compared, or told apart.

    Either `pairs` with a loss, or `predict`.
    """

    # Pairs of view names. Where a loss treats its sides differently, the first is what learns, the
    # second what it is compared with.
    pairs: list[Any] = field(default_factory=list)
    pool: str = MISSING  # space: over height and width; clip: over time, height and width
    match: str | None = None  # which time steps belong together, where pooling leaves them
    weights: list[float] = MISSING  # one a level in use, shallow to deep, the last for the last
    head: Head | None = None
    loss: Any = None  # a part: a function of hdc.losses, or of the user's own
    # What a pair is told from: videos (other videos), times (other time steps of the same video),
    # or views of the same video by their names.
    negatives: list[str] = added([VIDEOS])
    queue: int = added(0)  # so many embeddings of earlier steps are negatives, too
    predict: list[str] = added([])  # views whose variation is told; no pairs then

    def check(self) -> None:
        require_choice("pool", self.pool, ("space", "clip"))
        weights = list(self.weights)
        fits = len(weights) > 0 and all(weight > 0 for weight in weights)
        require("weights", weights, fits, "numbers above 0, one a level in use")
        require("queue", self.queue, self.queue >= 0, "0 or more")
        if self.predict:
            require("pairs", self.pairs, not self.pairs, "none beside predict")
            require("pool", self.pool, self.pool == "clip", "clip, to tell how a clip was varied")
            for key in ("head", "loss"):
                require(key, "one", getattr(self, key) is None, "null beside predict")
            return
        holds = len(self.pairs) > 0 and all(len(pair) == 2 for pair in self.pairs)
        require("pairs", self.pairs, holds, "a list of pairs of view names")
        for key in ("head", "loss"):
            require(key, "null", getattr(self, key) is not None, "one, for pairs to be compared")
        self._check_match()

    def _check_match(self) -> None:
        if self.pool == "clip":
            require("match", self.match, self.match is None, "null, for whole clips")
        else:
            require_choice("match", self.match, ("same_time", "any_time", "whole_clip"))
        require("negatives", self.negatives, len(set(self.negatives)) > 0, "one kind or more")
        if TIMES in self.negatives:
            steps = self.match == "same_time"
            require("negatives", TIMES, steps, "others than times, unless match is same_time")
        if VIDEOS not in self.negatives:
            require("queue", self.queue, not self.queue, "0, where other videos are no negatives")
            told = TIMES in self.negatives
            require("negatives", list(self.negatives), told, "videos or times among them")
        elif len(self.negatives) > 1:
            require("queue", self.queue, not self.queue, "0, beside times or views as negatives")

    def views(self) -> set[str]:
        """The names of all views that it uses."""
        told = {name for name in self.negatives if name not in (VIDEOS, TIMES)}
        return {name for pair in self.pairs for name in pair} | set(self.predict) | told


@dataclass
class Teacher:
    """An exponential mean of encoder and heads, which embeds the second view of each pair."""

    momentum: float = MISSING  # of the mean, per step
    schedule: str = MISSING  # constant; cosine: from `momentum` up to 1 (BYOL, arXiv 2006.07733)

    def check(self) -> None:
        holds = 0 <= self.momentum < 1
        require("momentum", self.momentum, holds, "0 or more, less than 1")
        require_choice("schedule", self.schedule, ("constant", "cosine"))


@dataclass
class Objective:
    """HD-NCE, everything it can be taken apart into, and what else can stand in its place."""

    views: dict[str, View] = MISSING
    terms: dict[str, Term | None] = MISSING  # by name; null: not this one
    weighting: str = MISSING  # fixed: as the terms say; measured: from invariance; frozen: measured
    #   before; learned: by the uncertainty of each
    measured_by: str | None = MISSING  # frozen: the run whose last invariance gives the weights
    measuring_decay: float = MISSING  # of the running mean of invariance, per step
    measuring_floor: float = MISSING  # least measured weight
    measuring_from: float = MISSING  # share of all steps with equal weights, before measured ones
    # true: the gradient into the encoder at each level is as long as the level's weight says,
    # however long the losses make it; the sum over levels stays.
    normalize: bool = added(False)
    teacher: Teacher | None = added(None)  # null: none; both views of a pair are embedded alike
    export: str = added("student")  # which encoder is the result: student or teacher
    export_input: str | None = added(None)  # what it is judged on; null: what its views have
    encoders: str = added("shared")  # by all inputs; by_input: each has one, one is exported

    def check(self) -> None:
        require_positive(self, "measuring_floor")
        require_share(self, "measuring_from")
        decay = self.measuring_decay
        require("measuring_decay", decay, 0 <= decay < 1, "0 or more, less than 1")
        require_choice("weighting", self.weighting, ("fixed", "measured", "frozen", "learned"))
        given = (self.measured_by is not None) == (self.weighting == "frozen")
        require("measured_by", self.measured_by, given, "a run if weighting is frozen, else null")
        require_choice("export", self.export, ("student", "teacher"))
        require_choice("encoders", self.encoders, ("shared", "by_input"))
        if self.teacher is None:
            require("export", self.export, self.export == "student", "student, without a teacher")
        require("terms", "null for all", len(self.in_use()) > 0, "at least one term")
        for name in self.terms:
            require("terms", name, re.fullmatch("[a-z0-9_]+", name), "names of a-z, 0-9 and _")
        self._check_views()
        for name, term in self.in_use().items():
            if term.predict and self.weighting in ("measured", "frozen"):
                raise ValueError(
                    f"weighting: expected fixed or learned beside terms.{name}, which has no "
                    f"invariance, got {self.weighting}"
                )

    def _check_views(self) -> None:
        for name in (VIDEOS, TIMES):
            require("views", name, name not in self.views, "other names than videos and times")
        for name, term in self.in_use().items():
            for view in sorted(term.views() - set(self.views)):
                known = f"views out of {', '.join(self.views)}"
                require(f"terms.{name}", view, False, known)
            for view in term.predict:
                vary = self.views[view].vary
                varied = vary is not None and vary == self.views[term.predict[0]].vary
                require(f"terms.{name}.predict", view, varied, "views with the same `vary`")
        inputs = self.inputs()
        if self.export_input is not None:
            require_choice("export_input", self.export_input, sorted(inputs))
        elif len(inputs) > 1:
            require("export_input", None, False, f"one of {', '.join(sorted(inputs))}")
        if FLOW in inputs and len(inputs) > 1:
            apart = self.encoders == "by_input"
            require("encoders", self.encoders, apart, "by_input, where flow is one of the inputs")

    def inputs(self) -> set[str]:
        """What its views are, by the names of inputs."""
        used = {view for term in self.in_use().values() for view in term.views()}
        return {self.views[view].input for view in used}

    @property
    def exported(self) -> str:
        """The input of the encoder that is the result."""
        return self.export_input or next(iter(self.inputs()))

    def in_use(self) -> dict[str, Term]:
        """The terms that a run has not taken out."""
        return {name: term for name, term in self.terms.items() if term is not None}
