"""Work that threads do ahead of its use, in order and with bounded memory."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(
    tasks: Iterable[Callable[[], Item]], *, workers: int, waiting: int | None = None
) -> Iterator[Item]:
    """What the tasks make, in their order, made by `workers` threads while earlier ones are used.

    At most `waiting` are made or being made, by default one a worker. Without workers each is made
    when it is asked for.
    """
    if workers == 0:
        yield from (task() for task in tasks)
        return
    coming: deque = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for task in tasks:
                coming.append(pool.submit(task))
                if len(coming) > (waiting or workers):  # bounds the memory
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


def awaited(items: Iterator[Item], waited: Callable[[float], None]) -> Iterator[Item]:
    """The items; `waited` is told how many seconds it took until each was there."""
    while True:
        asked = time.monotonic()
        item = next(items, None)
        waited(time.monotonic() - asked)
        if item is None:
            return
        yield item
