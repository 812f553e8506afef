"""Regular expressions that users write: what is wrong with one, and a limit on its time.

Python's `re` goes back and tries again: `(a+)+$` takes twice as long for each further a.
"""

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hdc.runtime.errors import InputError

SECONDS = 20.0  # the paths of Kinetics-400, the longest list, take 1


def compiled(pattern: object, replacement: object = "") -> re.Pattern[str]:
    """A pattern that can be searched for, and replaced by `replacement` wherever it is found.

    Raises ValueError that says what is wrong.
    """
    if not isinstance(pattern, str) or not isinstance(replacement, str):
        raise ValueError("expected texts")
    try:
        expression = re.compile(pattern)
        # Only what is found is replaced, and an empty alternative is found everywhere.
        re.compile(f"{pattern}\n|").sub(replacement, "")
        return expression
    except (re.error, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error


@contextmanager
def ending(pattern: str, where: str) -> Iterator[None]:
    """Ends work with a pattern that takes too long, by an InputError that begins with `where`.

    Signals reach the main thread alone, so there is no limit in others.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise InputError(
            f"{where}: expected a regular expression that ends, found one that is still at work "
            f"after {SECONDS:g} s: {pattern}; repeat nothing that is repeated inside, as in (a+)+"
        )

    handler = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
