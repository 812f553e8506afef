"""Which frames of a video make a clip."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def clip_frames(start: int, *, frames: int, stride: int, total: int) -> Int[np.ndarray, " time"]:
    """Frame numbers of a clip; a video that is too short is looped, never dropped."""
    return (start + stride * np.arange(frames)) % total


def span(*, frames: int, stride: int) -> int:
    """Frames of the video from a clip's first to its last, both counted."""
    return stride * (frames - 1) + 1


def possible_starts(total: int, clip_span: int) -> int:
    """How many starts a clip may have: 0 to this less one; any, for a video that is looped."""
    return total - clip_span + 1 if total >= clip_span else total


def first_start(generator: np.random.Generator, starts: int) -> int:
    """Where the first temporal crop of a video starts: anywhere, evenly."""
    return int(generator.integers(starts))


def other_start(
    generator: np.random.Generator,
    starts: int,
    earlier: Sequence[int],
    *,
    minimum: int,
    maximum: int | None,
) -> int:
    """Where another crop starts: evenly over all starts that lie so far from the earlier ones.

    `minimum` is a distance in frames of the video from each of them, `maximum` one from the first.
    A video too short for any such start gets the one whose nearest is farthest.
    """
    distances = np.abs(np.arange(starts) - np.asarray(earlier)[:, None])  # (earlier, start)
    nearest, limit = distances.min(axis=0), starts if maximum is None else maximum
    allowed = np.flatnonzero((nearest >= minimum) & (distances[0] <= limit))
    if len(allowed) == 0:
        return int(np.argmax(nearest))
    return int(generator.choice(allowed))


def even_starts(total: int, clip_span: int, *, clips: int, stride: int = 1) -> list[int]:
    """Starts of `clips` clips spread evenly over a video, the first and the last frame included.

    A single clip is the middle one. A video shorter than a clip is looped: its clips start at the
    first frames in turn, so that with a stride they see those between, too.
    """
    if total < clip_span:
        return [number % min(stride, total) for number in range(clips)]
    last = total - clip_span
    if clips == 1:
        return [last // 2]
    return [round(last * number / (clips - 1)) for number in range(clips)]
