"""Whether answers are no better than guessing, for tests that show that something is hidden."""

import math

import numpy as np

STANDARD_ERRORS = 4  # one sound case in 15,000 is further off; with 2 it is one in 20


def tolerance(chance, answers):
    """How far from chance the share of right ones among so many answers may be.

    Trained networks and probes round, and so answer, otherwise on every processor: a new draw each.
    """
    return STANDARD_ERRORS * math.sqrt(chance * (1 - chance) / answers)


def require_chance(right, chance):
    """Fail unless the share of right answers (answer) is that of guessing."""
    assert abs(np.mean(right) - chance) < tolerance(chance, len(right))
