"""Stopping at a good moment: a signal is remembered, and obeyed when the state is saved."""

import ctypes
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_STATUS = 75  # EX_TEMPFAIL: not done, run the same again
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def die_with_parent() -> None:
    """Let this process be killed when its parent dies, however that ends; on Linux alone.

    A process that trains for another would keep its GPU, which the next job then claims.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Stopped(Exception):  # noqa: N818  (no error: the work goes on another time)
    """The work was stopped by a signal and can go on where it was; the text says where."""


class StopRequest:
    """Whether a signal has asked to stop, and which."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal; SIGINT after another stops at once, as it would without us.

        Others come twice where nobody is impatient: Slurm ends a job at its time limit by SIGTERM,
        and again. What waits no longer sends SIGKILL.
        """
        if self.signal is not None and number == signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.signal = self.signal or signal.Signals(number)


@contextmanager
def listening() -> Iterator[StopRequest]:
    """While the block runs, SIGTERM, SIGINT and SIGUSR1 are remembered instead of obeyed."""
    request = StopRequest()
    earlier = {number: signal.signal(number, request.ask) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextmanager
def stopping_at_once(remark: str) -> Iterator[None]:
    """While the block runs, SIGTERM, SIGINT and SIGUSR1 raise Stopped wherever it is."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(f"by {signal.Signals(number).name}; {remark}")

    earlier = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
