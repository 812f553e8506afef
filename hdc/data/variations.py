"""Ways of varying a clip at random, which a network may be asked to tell: pretext tasks.

A variation says how many variants there are, and for each either which frames of the video are
shown, or how the pictures are changed.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hdc.data.temporal_crops import clip_frames, span
from hdc.runtime.named_function import named_function

Frames = Int[np.ndarray, " time"]
Clips = Float[Tensor, "clip 3 time side side"]
Shown = Callable[["Moment", int], Frames]


@dataclass(frozen=True)
class Moment:
    """Where a clip lies in its video."""

    start: int  # its first frame
    frames: int
    stride: int  # frames of the video from one frame of the clip to the next
    total: int  # frames of the video

    def plain(self) -> Frames:
        """The clip as it is, looped where the video is too short."""
        size = {"frames": self.frames, "stride": self.stride}
        return clip_frames(self.start, **size, total=self.total)


@dataclass(frozen=True)
class Variation:
    """`classes` variants of a clip, by number from 0 on."""

    classes: int
    shown: Shown | None = None  # which frames
    changed: Callable[[Clips, int], Clips] | None = None  # how the pictures look


NO_VARIATION = Variation(1)


def built_variation(part: Mapping[str, Any] | None) -> Variation:
    """What the function that a part names makes of its settings; one variant if there is none."""
    if part is None:
        return NO_VARIATION
    function, settings = named_function(part)
    return function(**settings)


def rotation() -> Variation:
    """By how many quarter turns all frames are turned: a spatial task.

    Source: 3D-RotNet (arXiv 1811.11387), section 3.
    """
    return Variation(4, changed=lambda clips, turns: torch.rot90(clips, turns, dims=(-2, -1)))


def pace(*, paces: int) -> Variation:
    """How many times as fast the clip runs, 1 to `paces`: a temporal task.

    All variants of a clip start at the same frame, so that the place in the video tells nothing; it
    is moved forward where the fastest would end after the video. A video that is too short for the
    fastest is looped.
    Source: pace prediction (arXiv 2008.05861), section 3.1.
    """

    def shown(moment: Moment, variant: int) -> Frames:
        longest = span(frames=moment.frames, stride=moment.stride * paces)
        start = min(moment.start, max(0, moment.total - longest))
        size = {"frames": moment.frames, "stride": moment.stride * (variant + 1)}
        return clip_frames(start, **size, total=moment.total)

    return Variation(paces, shown=shown)


def direction() -> Variation:
    """Whether the clip runs forward (0) or backward (1): a temporal task.

    Source: Wei et al. 2018, Learning and Using the Arrow of Time, section 3.
    """
    return Variation(2, shown=lambda moment, back: moment.plain()[:: -1 if back else 1])


def order(*, parts: int) -> Variation:
    """In which order the clip's `parts` parts of equal length come: a temporal task.

    One variant a permutation. Where the frames cannot be divided evenly, parts are a frame longer
    and the last one is cut, so that where the cuts are tells nothing.
    Source: VCOP (Xu et al. 2019), section 3.2, whose parts are clips of their own.
    """
    permutations = list(itertools.permutations(range(parts)))

    def shown(moment: Moment, variant: int) -> Frames:
        length = -(-moment.frames // parts)
        size = {"frames": length * parts, "stride": moment.stride}
        pieces = clip_frames(moment.start, **size, total=moment.total).reshape(parts, length)
        return pieces[list(permutations[variant])].reshape(-1)[: moment.frames]

    return Variation(len(permutations), shown=shown)
