"""Synthetic videos of moving shapes whose every factor is known and independent of the others.

A video shows one shape that moves in one way over a still background. The shape tells what is seen
in any frame; only the order of the frames tells the motion. All else is a nuisance.
"""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hdc.data.backgrounds import background_picture, contrasting_color
from hdc.data.lossless import write_video
from hdc.data.motions import GREATEST_ROTATION_PER_FRAME, MOTIONS, Row, draw_motion, state_at
from hdc.data.shapes import SHAPES, signed_distance
from hdc.errors import InputError

__all__ = [
    "FACTORS",
    "GREATEST_ROTATION_PER_FRAME",
    "MOTIONS",
    "SHAPES",
    "VERSION",
    "plan_videos",
    "render",
    "state_at",
    "write_video",
    "write_videos",
]

# The diameter at which a growing shape has faded out, as a part of the frame: under 1, so that no
# shape meets itself across the edges. The shape is in full view at 0.58 times this diameter.
_SIZES = (0.80, 0.96)

# How many times larger a growing shape fades out than it fades in.
_GROWTH = 3.0

# Enough rows that handing them to a process takes little of the time that writing them takes.
_ROWS_PER_TASK = 16

# Of the pictures that settings lead to: raise it when a change here alters any.
VERSION = 1

# What a probe may look for: the columns of a plan that say what is seen, for the index.
FACTORS = (
    "shape", "motion", "motion_kind", "motion_axis", "motion_direction", "background",
    "phase_x", "phase_y", "phase_size", "angle", "size", "speed", "shape_hue",
)  # fmt: skip

_PARTS = {"train": 0, "val": 1, "test": 2}

# One in this many training backgrounds goes to the validation part, and at least one does.
_BACKGROUNDS_PER_VALIDATION = 8


def plan_videos(
    *,
    shapes: list[str],
    motions: list[str],
    train_videos: int,
    validation_videos: int,
    test_videos: int,
    train_backgrounds: int,
    test_backgrounds: int,
    frames: int,
    pixels: int,
    noise: float,
    seed: int,
) -> pd.DataFrame:
    """Return a table with one row per video and every factor that decides its pixels.

    Each video draws its factors from a generator of its own: adding videos to a part changes
    neither the others of that part nor those of another.

    Args:
        shapes: names in SHAPES.
        motions: names in MOTIONS. A label is a shape and a motion; within each part every label
            has equally many videos, up to one.
        train_videos: videos of the training part.
        validation_videos: videos of the validation part.
        test_videos: videos of the test part.
        train_backgrounds: backgrounds of training and validation, which share none.
        test_backgrounds: further backgrounds, which only the test part uses.
        frames: frames per video.
        pixels: height and width of a frame.
        noise: standard deviation of the pixel noise, where 1 is from black to white.
        seed: of all draws.

    Returns:
        The columns video (a relative path), label, group (the background's name), part (train, val
        or test); shape, motion, motion_kind (translate, rotate or zoom), motion_axis (horizontal,
        vertical, turn or size), motion_direction (forward or backward), background (its number);
        the state at frame 0: phase_x and phase_y (of the
        center, in frame widths), phase_size (in cycles) and angle (in degrees, clockwise); by how
        much each of these advances per frame: step_phase_x, step_phase_y, step_phase_size,
        step_angle; size (in frame widths), speed (0 the slowest of the motion's kind, 1 the
        fastest), shape_hue (in turns), background_x and background_y (its shift, in frame widths),
        noise, frames, pixels, noise_seed, seed.

    Raises:
        InputError: if a name is unknown or repeated, a part has fewer videos than there are labels,
            there are too few backgrounds, frames or pixels, or the noise or seed is out of bounds.
    """
    _check_names("shapes", shapes, SHAPES)
    _check_names("motions", motions, MOTIONS)
    videos = {"train": train_videos, "val": validation_videos, "test": test_videos}
    for part, count in videos.items():
        _check_least(f"{part} videos (one for each label)", count, len(shapes) * len(motions))
    _check_least("training backgrounds", train_backgrounds, 2)
    _check_least("test backgrounds", test_backgrounds, 1)
    _check_least("frames", frames, 1)
    _check_least("pixels", pixels, 16)
    _check_least("seed", seed, 0)
    _check_noise(noise)
    backgrounds = _split_backgrounds(train_backgrounds, test_backgrounds)
    labels = [(shape, motion) for shape in shapes for motion in motions]
    rows = [
        _plan_video(part, number, labels[number % len(labels)], backgrounds[part], seed)
        for part in _PARTS
        for number in range(videos[part])
    ]
    return pd.DataFrame(rows).assign(noise=float(noise), frames=frames, pixels=pixels, seed=seed)


def _check_names(what: str, found: list[str], allowed: Collection[str]) -> None:
    wrong = [name for name in found if name not in allowed or found.count(name) > 1]
    if wrong or not found:
        raise InputError(
            f"expected {what} out of {', '.join(allowed)}, each once; "
            f"found {', '.join(found) or 'none'}; "
            f"{'remove or rename ' + ', '.join(wrong) if wrong else 'name at least one'}"
        )


def _check_least(what: str, found: int, least: int) -> None:
    if found < least:
        raise InputError(f"expected at least {least} {what}; found {found}; raise it to {least}")


def _check_noise(noise: float) -> None:
    if not 0 <= noise < 1:
        raise InputError(
            f"expected noise of at least 0 and less than 1; found {noise}; "
            "give the standard deviation as a part of the range from black to white"
        )


def _split_backgrounds(train_backgrounds: int, test_backgrounds: int) -> dict[str, range]:
    """Return the numbers of the backgrounds of each part."""
    validation = max(1, train_backgrounds // _BACKGROUNDS_PER_VALIDATION)
    return {
        "train": range(train_backgrounds - validation),
        "val": range(train_backgrounds - validation, train_backgrounds),
        "test": range(train_backgrounds, train_backgrounds + test_backgrounds),
    }


def _plan_video(
    part: str, number: int, label: tuple[str, str], backgrounds: range, seed: int
) -> dict[str, Any]:
    """Return a row of the plan, without the columns that all rows share."""
    shape, motion = label
    generator = np.random.default_rng((seed, _PARTS[part], number))
    background = backgrounds[generator.integers(len(backgrounds))]
    return {
        "video": f"{shape}_{motion}/{part}_{number:05d}.mkv",
        "label": f"{shape}_{motion}",
        "group": f"background_{background:03d}",
        "part": part,
        "shape": shape,
        **draw_motion(motion, generator),
        "background": background,
        "background_x": generator.random(),
        "background_y": generator.random(),
        "size": generator.uniform(*_SIZES),
        "shape_hue": generator.random(),
        "noise_seed": int(generator.integers(2**32)),
    }


def render(row: Row, *, frames: int, pixels: int) -> np.ndarray:
    """Return the pixels of one video of a plan.

    Args:
        row: of the plan.
        frames: how many to render; the first ones are the same however many follow.
        pixels: height and width of a frame.

    Returns:
        Red, green and blue, (frames, pixels, pixels, 3), uint8.
    """
    background = background_picture(int(row["seed"]), int(row["background"]), pixels)
    shift = int(row["background_y"] * pixels), int(row["background_x"] * pixels)
    background = np.roll(background, shift, axis=(0, 1))
    color = contrasting_color(background, row["shape_hue"])
    clip = background + _opacity(row, frames, pixels)[..., None] * (color - background)
    if row["noise"]:
        generator = np.random.default_rng(int(row["noise_seed"]))
        noise = generator.standard_normal(clip.shape, dtype=np.float32)
        clip += np.float32(row["noise"]) * noise
    return np.rint(np.clip(clip, 0, 1) * 255).astype(np.uint8)


def _opacity(row: Row, frames: int, pixels: int) -> np.ndarray:
    """Return how opaque the shape is, 0 to 1, (frames, pixels, pixels), float32.

    There are two copies, half a life apart: while one grows out of sight, the next fades in. When
    phase_size wraps around, the younger copy has become what the older one was, so nothing jumps.
    """
    state = state_at(row, np.arange(frames))
    x, y = _turned_offsets(state, pixels)
    opacity = np.zeros(x.shape, dtype=np.float32)
    for born in (0, 1):
        age = ((state["phase_size"] + born) / 2).astype(np.float32)[:, None, None]
        radius = np.float32(row["size"] / 2) * np.float32(_GROWTH) ** (age - 1)
        distance = signed_distance(row["shape"], x / radius, y / radius) * (radius * pixels)
        # The sines of the two ages, squared, add up to 1.
        opacity += np.sin(np.pi * age) ** 2 * np.clip(0.5 - distance, 0, 1)
    return opacity


def _turned_offsets(state: dict[str, Any], pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each pixel's offset from the shape's center, as x and y along the shape's own axes.

    Both are (frame, pixels, pixels), float32, in frame widths. Offsets wrap around the frame, so
    that a shape that leaves through one edge comes back through the opposite one.
    """
    centers = (np.arange(pixels) + 0.5) / pixels
    right = (centers - state["phase_x"][:, None] + 0.5) % 1 - 0.5
    down = (centers - state["phase_y"][:, None] + 0.5) % 1 - 0.5
    right, down = right.astype(np.float32)[:, None, :], down.astype(np.float32)[:, :, None]
    angle = np.deg2rad(state["angle"]).astype(np.float32)[:, None, None]
    cosine, sine = np.cos(angle), np.sin(angle)
    return cosine * right + sine * down, cosine * down - sine * right


def write_videos(
    plan: pd.DataFrame,
    folder: str | Path,
    *,
    frames: int,
    pixels: int,
    frames_per_second: int,
    workers: int = 1,
    on_video: Callable[[Path], Any] | None = None,
) -> None:
    """Render and write the videos of a plan, but for those that are there already.

    A file is never there in part, so an interrupted call can be repeated. A file is taken for what
    the plan says by its name alone: give another plan another folder.

    Args:
        plan: from plan_videos.
        folder: the column video is relative to it.
        frames: frames per video.
        pixels: height and width of a frame.
        frames_per_second: of the videos.
        workers: processes to spread the work over; 1 uses this process alone.
        on_video: called with the path of each video that is there, in the plan's order.
    """
    settings = {"frames": frames, "pixels": pixels, "frames_per_second": frames_per_second}
    write = partial(_write_planned, folder=Path(folder), **settings)
    for path in _map(write, plan.to_dict("records"), workers):
        if on_video is not None:
            on_video(path)


def _map(
    write: Callable[[dict[str, Any]], Path], rows: list[dict[str, Any]], workers: int
) -> Iterator[Path]:
    """Yield the path of each written row, in order."""
    if workers == 1:
        yield from map(write, rows)
        return
    # Fresh processes: a copy of this one could inherit a lock that a thread of it holds.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(write, rows, chunksize=_ROWS_PER_TASK)


def _write_planned(
    row: Row, *, folder: Path, frames: int, pixels: int, frames_per_second: int
) -> Path:
    path = folder / row["video"]
    if not path.exists():
        clip = render(row, frames=frames, pixels=pixels)
        write_video(path, clip, frames_per_second=frames_per_second)
    return path
