"""How often a shortcut alone finds the right partner of a contrast, among the clips of 64 videos.

What a contrast rewards is what tells a clip's partner from the other videos' clips. Things
that might are asked, each alone: how the clip looks from afar (its mean over time at 4 x 4 pixels);
and, as they are known of synthetic videos, where and how the shape lies in the view, how it moves,
and the phase that the motion is in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.spatial.distance import cdist
from torch import Tensor

from hdc.data.augment import augment
from hdc.data.batches import ClipBatch, VideoBatches
from hdc.data.draws import Draw
from hdc.data.synthetic.motions import MOTION_TABLE, STATE_PERIODS, state_at, steps_of
from hdc.data.synthetic.rendering import outline_at, shown_copy
from hdc.settings.objective import View

VIDEOS = 64
BATCHES = 8  # 512 videos: a standard error of at most 2.2 points
SUBTASKS = ("spatial", "temporal")  # of the paper, whose columns every table has
CLUES = ("appearance", "place", "motion", "phase")
SIDE = 4  # pixels of the mean image

Clues = dict[str, Float[np.ndarray, "video clue"]]
MIRRORED = ("phase_x", "angle", "phase_orbit", "phase_sway")  # what goes the other way then
STATE = ("motion", "speed", "size", *STATE_PERIODS)  # what the index knows of a synthetic video


def shortcuts(
    batches: VideoBatches,
    pairs: Mapping[str, Sequence[Sequence[str]]],
    views: Mapping[str, View],
    index: pd.DataFrame,
    *,
    device: torch.device,
) -> dict[str, dict[str, float | None]]:
    """Share of pairs that each shortcut alone finds, by subtask.

    Args:
        batches: of at most 64 videos, with the crops and augmentation of pretraining.
        pairs: of views that are compared, by subtask.
        views: that the pairs use, by name.
        index: of the prepared data set.
        device: where clips are augmented.

    Returns:
        For each subtask `videos` (among how many the partner was sought) and `appearance` (None
        where a view's input is another than its partner's), and for synthetic videos `place`,
        `motion` and `phase`: shares from 0 to 1. None for a subtask of the paper that the run does
        not have.
    """
    shares: dict[str, list[dict[str, float]]] = {name: [] for name in pairs}
    for make in batches.epoch(0, views=views)[:BATCHES]:
        batch = make()
        clues = {
            name: clues_of(clips, views[name], batches, index, device=device)
            for name, clips in batch.items()
        }
        for name, compared in pairs.items():
            for view, partner in compared:
                both = {clue: (clues[view][clue], clues[partner][clue]) for clue in clues[view]}
                if views[view].input != views[partner].input:
                    del both["appearance"]  # pictures and motion do not look alike
                shares[name].append({clue: share_found(*pair) for clue, pair in both.items()})
    videos = {"videos": float(batches.batch_size), "appearance": None}
    means = {name: videos | pd.DataFrame(table).mean().to_dict() for name, table in shares.items()}
    return {name: dict.fromkeys(CLUES) for name in SUBTASKS} | means


def clues_of(
    batch: ClipBatch,
    view: View,
    batches: VideoBatches,
    index: pd.DataFrame,
    *,
    device: torch.device,
) -> Clues:
    """What each shortcut sees of one view of some videos."""
    clip = batches.clip
    clips = [part.to(device) for part in batch.parts]
    clues = {"appearance": mean_images(augment(clips, batch.draws, pixels=clip.pixels))}
    if not set(STATE) <= set(index):
        return clues
    later = 0 if view.still else clip.stride * (clip.frames // 2)  # the middle frame
    known: dict[str, list] = {"place": [], "motion": [], "phase": []}
    for row, first, draw in zip(batch.rows, batch.first_frames, batch.draws, strict=True):
        video, frame = index.iloc[row].to_dict(), batches.store.shape(row)[1:]
        state = state_at(with_steps(video), first + later)
        steps = motion_in_view(video, draw, frame)
        known["place"].append(place_in_view(video["size"], state, draw, frame))
        known["motion"].append(np.zeros_like(steps) if view.still else steps)
        known["phase"].append(phase_of(video["motion"], state))
    return clues | {name: np.stack(values) for name, values in known.items()}


def with_steps(video: Mapping[str, Any]) -> dict[str, Any]:
    """A video with what each part of its state advances by, which the index does not say."""
    steps = steps_of(video["motion"], video["speed"])
    return {**video, **{f"step_{part}": step for part, step in steps.items()}}


def mean_images(clips: Float[Tensor, "video channels time _ _"]) -> Float[np.ndarray, "video clue"]:
    """The mean over time of each clip, at 4 x 4 pixels."""
    return F.adaptive_avg_pool2d(clips.mean(dim=2), SIDE).flatten(1).cpu().numpy()


def motion_in_view(
    video: Mapping[str, Any], draw: Draw, frame: tuple[int, int]
) -> Float[np.ndarray, " clue"]:
    """How fast each part of the state advances; a translation the faster the smaller the crop."""
    steps = steps_of(video["motion"], video["speed"])
    for part, whole, crop in (
        ("phase_y", frame[0], draw.height),
        ("phase_x", frame[1], draw.width),
    ):
        steps[part] *= whole / crop
    for part in MIRRORED if draw.flip else ():
        steps[part] *= -1
    return np.array([steps[part] / period for part, period in STATE_PERIODS.items()])


def place_in_view(
    size: float, state: Mapping[str, Any], draw: Draw, frame: tuple[int, int]
) -> Float[np.ndarray, " clue"]:
    """Where a shape is in a view, how large, and at which angle (cosine and sine)."""
    x, y, radius = outline_at(size, shown_copy(state))
    x, y = (x * frame[1] - draw.left) / draw.width, (y * frame[0] - draw.top) / draw.height
    radius *= np.sqrt(frame[0] / draw.height * frame[1] / draw.width)
    angle = np.deg2rad(state["angle"]) * (-1 if draw.flip else 1)
    return np.array([1 - x if draw.flip else x, y, np.log(radius), np.cos(angle), np.sin(angle)])


def phase_of(motion: str, state: Mapping[str, Any]) -> Float[np.ndarray, " clue"]:
    """How far the part of the state that a motion advances is in its cycle (cosine and sine)."""
    part = MOTION_TABLE[motion].state
    turn = 2 * np.pi * state[part] / STATE_PERIODS[part]
    return np.array([np.cos(turn), np.sin(turn)])


def share_found(
    queries: Float[np.ndarray, "video clue"], partners: Float[np.ndarray, "video clue"]
) -> float:
    """How often the clue nearest to a video's own is that of the same video; ties are shared.

    Each clue is divided by its standard deviation over all clips; a constant one counts nothing.
    """
    spread = np.concatenate([queries, partners]).std(axis=0)
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    distances = cdist(queries * scale, partners * scale)
    nearest = np.isclose(distances, distances.min(axis=1, keepdims=True), rtol=0, atol=1e-9)
    return float(np.mean(nearest.diagonal() / nearest.sum(axis=1)))
