"""Synthetic videos of moving shapes whose every factor is known and independent of the others.

A video shows one shape that moves in one way over a background that slowly changes. The shape tells
what is seen in any frame; only several frames tell the motion. All else is a nuisance.
"""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hdc.data.synthetic.appearance import draw_appearance
from hdc.data.synthetic.lossless_video import write_video
from hdc.data.synthetic.motions import (
    GREATEST_ROTATION_PER_FRAME,
    MOTIONS,
    Row,
    draw_motion,
    state_at,
)
from hdc.data.synthetic.rendering import render
from hdc.data.synthetic.shapes import SHAPES
from hdc.runtime.errors import InputError

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

# The diameter of a shape at its largest, as a part of the frame: so large that it can be read in a
# frame of 24 pixels, so small that it is whole in most frames.
_SIZES = (0.6, 0.7)

# Enough rows that handing them to a process takes little of the time that writing them takes.
_ROWS_PER_TASK = 16

# Of the pictures that settings lead to: raise it when a change here alters any.
VERSION = 2

# What a probe may look for: the columns of a plan that say what is seen, for the index; a plan
# without stripes lacks the last.
FACTORS = (
    "shape", "motion", "motion_kind", "motion_axis", "motion_direction", "background",
    "phase_x", "phase_y", "phase_size", "angle", "phase_orbit", "phase_sway", "size", "speed",
    "shape_hue", "background_hue", "stripes",
)  # fmt: skip

TEST_SHORTCUTS = {"none": 0.0, "same": 1.0, "reversed": 1.0}
"""What the stripes of test videos may follow, and in which share of them they do."""

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
    appearance_change: float,
    stripes: bool,
    shortcut: float,
    test_shortcut: str,
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
        appearance_change: 0 to 1: how fast background, light and colors change over a video.
        stripes: whether backgrounds have stripes, in one of as many directions as there are
            motions.
        shortcut: the share of training and validation videos whose stripes have the direction that
            belongs to their motion; those of all others have any, with equal chance.
        test_shortcut: the same of test videos: `none`, `same` (all have that of their motion) or
            `reversed` (all have that of another motion, half of all motions further on).
        seed: of all draws.

    Returns:
        The columns video (a relative path), label, group (the background's name), part (train, val
        or test); shape, and what draw_motion and draw_appearance say; background (its number), size
        (the greatest diameter, in frame widths), frames, pixels, seed.

    Raises:
        InputError: if a name is unknown or repeated, a part has fewer videos than there are labels,
            there are too few backgrounds, frames or pixels, another number is out of bounds, or
            there is a shortcut without stripes.
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
    _check_share("appearance_change", appearance_change)
    _check_share("shortcut", shortcut)
    _check_names("test_shortcut", [test_shortcut], TEST_SHORTCUTS)
    _check_stripes(stripes, shortcut, test_shortcut)
    shares = {"train": shortcut, "val": shortcut, "test": TEST_SHORTCUTS[test_shortcut]}
    further = {"test": len(motions) // 2 if test_shortcut == "reversed" else 0}
    backgrounds = _split_backgrounds(train_backgrounds, test_backgrounds)
    labels = [(shape, motion) for shape in shapes for motion in motions]
    rows = []
    for part in _PARTS:
        for number in range(videos[part]):
            shape, motion = labels[number % len(labels)]
            generator = np.random.default_rng((seed, _PARTS[part], number))
            place = _plan_video(part, number, (shape, motion), backgrounds[part], generator)
            look = draw_appearance(
                generator,
                change=appearance_change,
                directions=len(motions) if stripes else 0,
                own_direction=(motions.index(motion) + further.get(part, 0)) % len(motions),
                share=shares[part],
            )
            rows.append(place | look)
    return pd.DataFrame(rows).assign(frames=frames, pixels=pixels, seed=seed)


def _check_names(what: str, names: list[str], allowed: Collection[str]) -> None:
    wrong = [name for name in names if name not in allowed or names.count(name) > 1]
    if wrong or not names:
        raise InputError(
            f"expected {what} out of {', '.join(allowed)}, each once; "
            f"found {', '.join(names) or 'none'}; "
            f"{'remove or rename ' + ', '.join(wrong) if wrong else 'name at least one'}"
        )


def _check_least(what: str, count: int, least: int) -> None:
    if count < least:
        raise InputError(f"expected at least {least} {what}; found {count}; raise it to {least}")


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise InputError(f"{name}: expected 0 to 1; found {share}")


def _check_stripes(stripes: bool, shortcut: float, test_shortcut: str) -> None:
    if not stripes and (shortcut or test_shortcut != "none"):
        raise InputError(
            f"expected no shortcut where stripes is false; found shortcut {shortcut} and "
            f"test_shortcut {test_shortcut}; set stripes to true, or those to 0 and none"
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
    part: str,
    number: int,
    label: tuple[str, str],
    backgrounds: range,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """Return what a row of the plan says of place, shape and motion."""
    shape, motion = label
    background = backgrounds[generator.integers(len(backgrounds))]
    return {
        "video": f"{shape}_{motion}/{part}_{number:05d}.mkv",
        "label": f"{shape}_{motion}",
        "group": f"background_{background:03d}",
        "part": part,
        "shape": shape,
        **draw_motion(motion, generator),
        "background": background,
        "size": generator.uniform(*_SIZES),
    }


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
