"""When each frame of a video is shown, and the frames at another rate."""

import math
from collections.abc import Iterable, Iterator

from hdc.data.preparation.frame_source import SourceFrame

_LONGEST = 60.0  # seconds that one frame may stand still; a longer gap is a wrong time stamp
_ROUNDING = 1e-6  # seconds
_MILLISECONDS = 0.002  # likewise: what rounding of time stamps adds to a length

TimedFrame = tuple[float | int, SourceFrame]  # seconds from the start of the file


class UnsoundStamps(Exception):  # noqa: N818  (found on the way: decode again, by the rate)
    """Time stamps that are missing, jump or go back, as those of AVI files with B-frames do."""


def by_stamps(frames: Iterable[SourceFrame], *, start: float | int | None) -> Iterator[TimedFrame]:
    """Frames at their time stamps, from `start` of the file on; None: from the first stamp on.

    Raises UnsoundStamps at the first that cannot be believed.
    """
    before = None
    for frame in frames:
        stamp = frame.stamp
        if stamp is None or (before is not None and not 0 <= stamp - before <= _LONGEST):
            raise UnsoundStamps
        if before is None and (start is None or not 0 <= stamp - start <= _LONGEST):
            start = stamp
        before = stamp
        yield stamp - start, frame


def by_rate(frames: Iterable[SourceFrame], *, fps: float | int) -> Iterator[TimedFrame]:
    """Frames in their order, so many a second, whatever their time stamps say."""
    for number, frame in enumerate(frames):
        yield number / fps, frame


def nearest(
    frames: Iterable[TimedFrame], *, fps: float | int, lasts: float | int
) -> Iterator[TimedFrame]:
    """At every 1/`fps` seconds from the first frame on the frame that is nearest in time.

    Of two that are equally near it is the earlier. A single frame lasts `lasts` seconds, the last
    of several as long as they do on average; so n seconds give n times `fps` frames.
    """
    count, number, first, before = 0, 0, 0.0, None
    for seconds, frame in frames:
        if before is None:
            first = seconds
        else:
            while (at := first + number / fps) - before[0] <= seconds - at + _ROUNDING:
                yield at, before[1]
                number += 1
        before, count = (seconds, frame), count + 1
    if before is None:
        return
    length = (before[0] - first) * count / (count - 1) if count > 1 else lasts
    length -= min(_MILLISECONDS, 0.5 / fps)
    for last in range(number, max(1, math.ceil(length * fps))):
        yield first + last / fps, before[1]
