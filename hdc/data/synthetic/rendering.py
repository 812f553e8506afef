"""From a row of a plan to the pixels of its video."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from hdc.data.synthetic.backgrounds import background, background_frames, shape_color
from hdc.data.synthetic.motions import Row, displacement_at, state_at
from hdc.data.synthetic.shapes import signed_distance

# How many times larger a shape is at the end of a cycle of zoom than at its start.
GROWTH = 1.7

# How far a shape's place goes in a cycle of a translation, in frame widths: so far that a shape of
# the middle size is whole at both ends.
PATH = 0.5

# The part of a cycle in which a shape at its end gives way to one at its start: a few frames, so
# that nothing jumps, and few enough that most frames show one whole shape.
FADE = 0.12

_CYCLIC = ("phase_x", "phase_y", "phase_size")  # parts of the state with an end and a start

LIGHT_LOSS = 0.3
"""What a video's light loses at most, as a part of it, where appearance changes by 1."""


def render(row: Row, *, frames: int, pixels: int) -> np.ndarray:
    """Return the pixels of one video of a plan.

    Args:
        row: of the plan.
        frames: how many to render; the first ones are the same however many follow.
        pixels: height and width of a frame.

    Returns:
        Red, green and blue, (frames, pixels, pixels, 3), uint8.
    """
    time = np.arange(frames)
    place = background(int(row["seed"]), int(row["background"]))
    drift = {
        name: row[f"background_{name}"] + time * row[f"background_step_{name}"]
        for name in ("x", "y", "hue")
    }
    clip = background_frames(place, **drift, pixels=pixels, stripes=row.get("stripes_angle"))
    hues = row["shape_hue"] + time * row["step_shape_hue"]
    colors = shape_color(hues)[:, None, None]
    clip += _opacity(row, frames, pixels)[..., None] * (colors - clip)
    clip *= _light(row, time)[:, None, None, None]
    return np.rint(np.clip(clip, 0, 1) * 255).astype(np.uint8)


def _light(row: Row, time: np.ndarray) -> np.ndarray:
    """Return by how much each frame is dimmed, (frame,), float32."""
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (row["light_phase"] + time * row["light_step"]))
    return (1 - row["light_loss"] * wave).astype(np.float32)


def _opacity(row: Row, frames: int, pixels: int) -> np.ndarray:
    """Return how opaque the shape is, 0 to 1, (frames, pixels, pixels), float32.

    Of its place across, its place down and its size there are two copies each, a cycle apart: where
    one comes to the end of its cycle, it gives way to the one at the start. When a phase wraps
    around, the younger copy has become what the older one was, so nothing jumps.
    """
    state = state_at(row, np.arange(frames))
    ages = {part: (state[part], state[part] + 1) for part in _CYCLIC}
    weights = {
        part: [_step((age - 0.5) / FADE) - _step((age - 1.5) / FADE) for age in both]
        for part, both in ages.items()
    }
    opacity = np.zeros((frames, pixels, pixels), dtype=np.float32)
    for cycles in product((0, 1), repeat=len(_CYCLIC)):
        of_copy = dict(zip(_CYCLIC, cycles, strict=True))
        shown = np.prod([weights[part][cycle] for part, cycle in of_copy.items()], 0)
        seen = np.flatnonzero(shown)
        if len(seen):
            copy = {name: part[seen] for name, part in state.items()}
            copy |= {part: ages[part][cycle][seen] - 1 for part, cycle in of_copy.items()}
            inside = _inside(row, copy, pixels)
            opacity[seen] += shown[seen, None, None].astype(np.float32) * inside
    return opacity


def _step(x: np.ndarray) -> np.ndarray:
    """Return a smooth way from 0, at -1/2, to 1, at 1/2."""
    x = np.clip(x + 0.5, 0, 1)
    return x * x * (3 - 2 * x)


def _inside(row: Row, copy: dict[str, Any], pixels: int) -> np.ndarray:
    """Return how much of each pixel one copy covers, 0 to 1, (frame, pixels, pixels), float32.

    The cyclic parts of its state go from about -1/2, at the start of its cycle, to 1/2.
    """
    x, y, radius = outline_at(row["size"], copy)
    radius = radius.astype(np.float32)[:, None, None]
    centers = (np.arange(pixels) + 0.5) / pixels
    right = (centers - x[:, None]).astype(np.float32)[:, None, :]
    down = (centers - y[:, None]).astype(np.float32)[:, :, None]
    angle = np.deg2rad(copy["angle"]).astype(np.float32)[:, None, None]
    cosine, sine = np.cos(angle), np.sin(angle)
    along, across = cosine * right + sine * down, cosine * down - sine * right
    distance = signed_distance(row["shape"], along / radius, across / radius) * (radius * pixels)
    return np.clip(0.5 - distance, 0, 1)


def outline_at(size: float, copy: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return the center of a copy, as x and y, and its radius, in frame widths.

    Args:
        size: of the row of the plan.
        copy: a state; of its cyclic parts each goes from about -1/2, at the start, to 1/2.
    """
    right, down = displacement_at(copy)
    x, y = 0.5 + PATH * copy["phase_x"] + right, 0.5 + PATH * copy["phase_y"] + down
    return x, y, size / 2 * GROWTH ** (copy["phase_size"] - 0.5)


def shown_copy(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the copy that is seen best in a state, as outline_at takes it."""
    return {**state, **{part: (state[part] + 0.5) % 1 - 0.5 for part in _CYCLIC}}
