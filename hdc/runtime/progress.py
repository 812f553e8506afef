"""Progress of long work: a bar in a terminal, nothing in a log."""

import os
import sys
from collections.abc import Iterable

from tqdm import tqdm


def progress(items: Iterable, *, total: int, unit: str, what: str) -> tqdm:
    """`items`, with a bar on standard error if that is a terminal."""
    quiet = not sys.stderr.isatty()
    return tqdm(items, total=total, unit=unit, desc=what, disable=quiet, leave=False)


def cores() -> int:
    """Processor cores that this process may use, of those that the machine has."""
    if hasattr(os, "sched_getaffinity"):  # Linux: a job of Slurm or a container has its own
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Threads that this process is to use: `OMP_NUM_THREADS`, set by Snakemake, or all cores."""
    return int(os.environ.get("OMP_NUM_THREADS") or cores())
