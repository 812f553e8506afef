"""The motions of the synthetic videos, and the state that they all share and advance.

The state is where a shape is, how large, and at which angle. It starts anywhere with equal chance
and wraps around, so that it is spread alike in every frame of every motion: no frame on its own
tells the motion. The motion only decides which part of the state advances, and which way.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

Row = Mapping[str, Any] | pd.Series
"""One video of a plan: a row of the table, or the same as a dictionary."""


class Motion(NamedTuple):
    """What sets a motion apart.

    Attributes:
        kind: translate, rotate, zoom, orbit or oscillate.
        state: the part of the state that it advances.
        sign: 1 where that part grows, -1 where it falls.
    """

    kind: str
    state: str
    sign: int


MOTION_TABLE = {
    "right": Motion("translate", "phase_x", 1),
    "left": Motion("translate", "phase_x", -1),
    "down": Motion("translate", "phase_y", 1),
    "up": Motion("translate", "phase_y", -1),
    "clockwise": Motion("rotate", "angle", 1),
    "counterclockwise": Motion("rotate", "angle", -1),
    "grow": Motion("zoom", "phase_size", 1),
    "shrink": Motion("zoom", "phase_size", -1),
    "orbit_clockwise": Motion("orbit", "phase_orbit", 1),
    "orbit_counterclockwise": Motion("orbit", "phase_orbit", -1),
    "sway_right": Motion("oscillate", "phase_sway", 1),
    "sway_left": Motion("oscillate", "phase_sway", -1),
}

MOTIONS: tuple[str, ...] = tuple(MOTION_TABLE)

STATE_PERIODS: dict[str, float] = {
    "phase_x": 1.0,
    "phase_y": 1.0,
    "phase_size": 1.0,
    "angle": 360.0,
    "phase_orbit": 1.0,
    "phase_sway": 1.0,
}
"""The parts of the state, and the value at which each wraps around to 0."""

PERIODS = STATE_PERIODS | {"shape_hue": 1.0, "background_hue": 1.0}
"""Every factor that wraps around, also beside the state."""

AXES = {
    "phase_x": "horizontal", "phase_y": "vertical", "angle": "turn", "phase_size": "size",
    "phase_orbit": "orbit", "phase_sway": "sway",
}  # fmt: skip
"""What the two directions of a motion have in common: of each pair only the order of the frames
tells which it is."""

# The least symmetry angle of a shape is the star's, 72 degrees. At 8 degrees per frame, even a clip
# of every fourth frame turns by less than half of that, so that the way it turns can be seen.
GREATEST_ROTATION_PER_FRAME = 8.0

# How far the slowest and the fastest video of a kind advance per frame, in units of the state.
# In 16 frames a translation or zoom goes through half of its cycle at least, an orbit or an
# oscillation through two thirds.
SPEEDS = {
    "translate": (1 / 32, 1 / 12),
    "rotate": (3.0, GREATEST_ROTATION_PER_FRAME),
    "zoom": (1 / 28, 1 / 12),
    "orbit": (1 / 24, 1 / 14),
    "oscillate": (1 / 20, 1 / 12),
}

# How far a shape is from the middle of its orbit, and of its oscillation at most, in frame widths.
ORBIT_RADIUS = 0.15
SWAY_REACH = 0.15

# A shape that sways hurries one way and takes its time on the way back: twice as long.
SWAY_SKEW = 0.6


def draw_motion(name: str, generator: np.random.Generator) -> dict[str, Any]:
    """Return the columns of a plan on one video's motion.

    Args:
        name: of the motion, in MOTIONS.
        generator: gives the speed and the state at frame 0, whatever the motion.

    Returns:
        motion, motion_kind, motion_axis (a name in AXES), motion_direction (forward where the
        state grows, else backward), speed (0 the slowest of its kind, 1 the fastest), and each part
        of the state at frame 0, by its name, and what it advances by per frame, by its name after
        `step_`.
    """
    motion = MOTION_TABLE[name]
    speed = generator.random()
    steps = steps_of(name, speed)
    return {
        "motion": name,
        "motion_kind": motion.kind,
        "motion_axis": AXES[motion.state],
        "motion_direction": "forward" if motion.sign > 0 else "backward",
        "speed": speed,
        **{part: period * generator.random() for part, period in STATE_PERIODS.items()},
        **{f"step_{part}": step for part, step in steps.items()},
    }


def steps_of(name: str, speed: float) -> dict[str, float]:
    """Return what each part of the state advances by per frame in a motion.

    Args:
        name: of the motion, in MOTIONS.
        speed: 0 the slowest of its kind, 1 the fastest.
    """
    motion = MOTION_TABLE[name]
    slowest, fastest = SPEEDS[motion.kind]
    steps = dict.fromkeys(STATE_PERIODS, 0.0)
    steps[motion.state] = motion.sign * (slowest + speed * (fastest - slowest))
    return steps


def state_at(rows: Row | pd.DataFrame, frame: int | np.ndarray) -> dict[str, Any]:
    """Return the state that videos are in at a frame.

    Args:
        rows: one row of a plan, or several as a table.
        frame: a frame's number. With one row it may be an array of any shape; with several, an
            array with one number for each row.

    Returns:
        Every part of STATE_PERIODS, from 0 to less than its period: each a number for one row and
        frame, an array for several frames, a column for several rows.
    """
    return {
        part: (rows[part] + frame * rows[f"step_{part}"]) % period
        for part, period in STATE_PERIODS.items()
    }


def displacement_at(state: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return how far shapes are from where they would be without orbit and oscillation.

    Every video has some displacement by both, so the place in a single frame tells nothing of them.

    Args:
        state: as state_at gives it.

    Returns:
        Rightward and downward, in frame widths.
    """
    turn, sway = (2 * np.pi * state[part] for part in ("phase_orbit", "phase_sway"))
    right = SWAY_REACH * np.cos(sway + SWAY_SKEW * np.cos(sway))
    return right + ORBIT_RADIUS * np.cos(turn), ORBIT_RADIUS * np.sin(turn)
