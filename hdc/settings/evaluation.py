"""What the settings of judging frozen features mean.

As in `hdc.settings.schema`: `check` raises ValueError as `<key>: expected <what>, got <found>`.
"""

from dataclasses import dataclass

from omegaconf import MISSING

from hdc.settings.added import added
from hdc.settings.checks import require, require_positive


@dataclass
class TimeProbes:
    """Probes of time: whether features tell clips from the same ones backward, faster or swapped.

    They need no labels, and further clips of the videos to be embedded.
    """

    videos: int = added(0)  # of a data set, at most, drawn once for all runs; 0: no such probes
    strides: list[int] = added([1, 2, 4])  # of the clips whose speed is told, in frames

    def check(self) -> None:
        require("videos", self.videos, self.videos >= 0, "0 or more")
        strides = list(self.strides)
        ordered = len(strides) > 1 and strides[0] > 0 and strides == sorted(set(strides))
        require("strides", strides, ordered, "two or more numbers above 0, the least first")


@dataclass
class Evaluate:
    """Retrieval and probes on frozen features."""

    recall_at: list[int] = MISSING  # a hit if any of the k nearest has the label
    neighbours: int = MISSING  # voters of the kNN classifier
    neighbour_temperature: float = MISSING  # their votes weigh exp(cosine / this)
    probe_strengths: list[float] = MISSING  # inverse L2 penalties; validation chooses one
    probe_iterations: int = MISSING  # of L-BFGS, at most
    few_label_shares: list[float] = MISSING  # of each label's training videos, for small probes
    few_label_videos: list[int] = MISSING  # and numbers of videos of each label, likewise
    few_label_draws: int = MISSING  # how often the few are drawn

    def check(self) -> None:
        require_positive(self, "neighbours", "neighbour_temperature", "probe_iterations")
        require_positive(self, "few_label_draws")
        for key in ("recall_at", "probe_strengths"):
            value = list(getattr(self, key))
            require(key, value, value and min(value) > 0, "one or more numbers above 0")
        shares, videos = list(self.few_label_shares), list(self.few_label_videos)
        fits = all(0 < share <= 1 for share in shares)
        require("few_label_shares", shares, fits, "shares above 0, at most 1")
        require("few_label_videos", videos, all(n >= 1 for n in videos), "numbers of 1 or more")
