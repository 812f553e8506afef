"""Features of clips by a frozen encoder: pooled by level, averaged over each video's clips."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hdc.data.augment import augment
from hdc.data.batches import ClipBatch

Shown = Mapping[str, Sequence[Tensor]]  # suffix of a table's name -> clips, in parts


def features_of(
    encoder: Any,
    batches: Iterable[ClipBatch],
    shown: Callable[[ClipBatch], Shown],
    *,
    pixels: int,
    clips_each: int,
) -> dict[str, np.ndarray]:
    """By name a float32 table (video, number) of what is shown of each batch of clips.

    A batch holds `clips_each` clips of each of its videos, one video after another; a row is their
    mean. A table is named by its level and the suffix that `shown` gives to clips.
    """
    tables: dict[str, list[Tensor]] = {}
    with torch.inference_mode():
        for batch in batches:
            for suffix, clips in shown(batch).items():
                maps = encoder(augment(clips, batch.draws, pixels=pixels))
                for name, rows in pooled(maps, suffix):
                    means = rows.unflatten(0, (-1, clips_each)).mean(dim=1)
                    tables.setdefault(name, []).append(means.float().cpu())
    return {name: torch.cat(parts).numpy() for name, parts in tables.items()}


def pooled(maps: dict[str, Tensor], suffix: str) -> Iterator[tuple[str, Tensor]]:
    """Names and pooled features (clip, number) of every level's maps; more of the plain last one.

    `spatial_max` is the maximum over squares of 2 x 2, time and the rest of space kept, flattened:
    what VCOP (Xu et al., CVPR 2019) retrieves by, in its published code.
    """
    for level, features in maps.items():
        yield f"{level}{suffix}", features.mean(dim=(2, 3, 4))
    if not suffix:
        side = min(2, *features.shape[3:])  # small clips leave a single place
        maximum = F.max_pool3d(features, (1, side, side))
        yield f"{level}.spatial_max", maximum.flatten(1)
