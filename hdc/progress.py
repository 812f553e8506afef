"""How long work shows that it goes on: a bar in a terminal, nothing but result lines in a log."""

import os
import sys
from collections.abc import Iterable

from tqdm import tqdm


def progress(items: Iterable, *, total: int, unit: str, what: str) -> tqdm:
    """`items`, with a bar on standard error if that is a terminal."""
    quiet = not sys.stderr.isatty()
    return tqdm(items, total=total, unit=unit, desc=what, disable=quiet, leave=False)


def threads() -> int:
    """Processor threads this process may use: `OMP_NUM_THREADS`, which Snakemake sets, or all."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
