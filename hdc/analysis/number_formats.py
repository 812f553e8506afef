"""How numbers read: percent, points, intervals, p values."""

import math
from collections.abc import Callable

BLANK = "n/a"  # nothing to show, and nothing missing


def percent(value: float) -> str:
    """A share in percent, with one digit."""
    return f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+z.1f}"


def interval_text(show: Callable[[float], str], low: float | None, high: float | None) -> str:
    """An interval behind its number, as in ` [-0.4, 2.8]`; empty where it is not known."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f" [{show(low)}, {show(high)}]"


def p_text(p: float) -> str:
    """A p value with two significant digits, as in `p 0.031`."""
    return "p < 0.001" if p < 0.001 else f"p {p:.2g}"


def seeds_text(seeds: int) -> str:
    """A number of seeds, as in `1 seed`."""
    return f"{seeds} seed" if seeds == 1 else f"{seeds} seeds"


def sentence(words: str) -> str:
    """Words with a capital first letter."""
    return words[:1].upper() + words[1:]
