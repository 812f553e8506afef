"""Pieces of a recording: which frame belongs to which, and what they are called.

A plan is asked with the time of one frame after another. `at` says which pieces a frame belongs to,
by number; a piece to which a frame no longer belongs is over. `over` says whether no later frame
belongs to any.
"""

from collections import deque
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

Span = tuple[float | int, float | int]  # start and end in seconds of a recording

_ROUNDING = 1e-6  # seconds


@runtime_checkable
class Plan(Protocol):
    """How a recording is cut."""

    def at(self, seconds: float | int) -> list[int]: ...

    def over(self, seconds: float | int) -> bool: ...


class Whole:
    """Not at all."""

    def at(self, seconds: float | int) -> list[int]:
        return [0]

    def over(self, seconds: float | int) -> bool:
        return False


class Spans:
    """By a list of spans in the order of their starts; they may overlap, and leave gaps."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.coming = deque(enumerate(spans))
        self.running: list[tuple[int, float]] = []  # number and end

    def at(self, seconds: float | int) -> list[int]:
        seconds += _ROUNDING
        while self.coming and self.coming[0][1][0] <= seconds:
            number, (_, end) = self.coming.popleft()
            self.running.append((number, end))
        self.running = [(number, end) for number, end in self.running if seconds < end]
        return [number for number, _ in self.running]

    def over(self, seconds: float | int) -> bool:
        return not self.at(seconds) and not self.coming


class Even:
    """Into equal pieces of about `seconds`; `total`: how long it is said to be, 0: not said.

    What goes on beyond that by less than half a piece belongs to the last; without a total, the
    last piece may be short.
    """

    def __init__(self, seconds: float | int, total: float | int) -> None:
        self.count = max(1, round(total / seconds)) if total else 0
        self.length = total / self.count if self.count else seconds
        self.end = total + self.length / 2

    def at(self, seconds: float | int) -> list[int]:
        number = int((seconds + _ROUNDING) / self.length)
        return [min(number, self.count - 1) if self.count and seconds < self.end else number]

    def over(self, seconds: float | int) -> bool:
        return False


def piece_name(recording: str, start: float | int, end: float | int) -> str:
    """What a piece is called: its recording and its span in seconds, to a thousandth."""
    return f"{recording}#{_plain(start)}-{_plain(end)}"


def _plain(seconds: float | int) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
