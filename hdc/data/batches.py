"""Batches of clips: which videos, which crops, which draws; all from (seed, epoch, video)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Int, UInt8
from torch import Tensor

from hdc.data.augment import Draw, draw, squares, stack_clips
from hdc.data.store import ClipStore
from hdc.data.temporal_crops import (
    clip_frames,
    even_starts,
    first_start,
    other_start,
    possible_starts,
    span,
)  # fmt: skip
from hdc.runtime.errors import InputError
from hdc.runtime.seeding import generator
from hdc.settings.schema import Augment, Clip, Inference, View


@dataclass(frozen=True)
class ClipBatch:
    """Stored clips and how to augment them.

    `rows` are the videos' rows in the index, `first_frames` the numbers of the clips' first frames.
    """

    rows: list[int]
    first_frames: list[int]
    clips: UInt8[Tensor, "batch time height width 3"]
    draws: list[Draw]


class VideoBatches:
    """Batches of random clips of some videos of a store, epoch by epoch.

    With several processes each makes its part of every batch, `part` (its number, how many).
    Raises InputError if there are fewer videos than a batch holds, or a batch has no equal parts.
    """

    def __init__(
        self,
        store: ClipStore,
        rows: Sequence[int],
        *,
        clip: Clip,
        augment: Augment,
        batch_size: int,
        seed: int,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        if batch_size % part[1]:
            raise InputError(
                f"batch_size: expected a multiple of the number of processes, {part[1]}, "
                f"got {batch_size}"
            )
        if len(rows) < batch_size:
            raise InputError(
                f"batch_size: expected at most the number of usable training videos, {len(rows)}, "
                f"got {batch_size}; make pretrain.batch_size or finetune.batch_size, whichever it "
                "is, smaller in the scale or the ablation"
            )
        self.store, self.rows = store, list(rows)
        self.clip, self.augment = clip, augment
        self.batch_size, self.seed, self.part = batch_size, seed, part

    def of_size(self, batch_size: int) -> "VideoBatches":
        """Batches of another size of the same videos, made by this process alone."""
        return VideoBatches(
            self.store,
            self.rows,
            clip=self.clip,
            augment=self.augment,
            batch_size=batch_size,
            seed=self.seed,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; the videos left over, different ones each time, are unused."""
        return len(self.rows) // self.batch_size

    def epoch(
        self, number: int, views: dict[str, View], *, first_step: int = 0
    ) -> list[Callable[[], dict[str, ClipBatch]]]:
        """What makes each batch of an epoch from `first_step` on: a batch of clips by view.

        A batch depends on nothing but its place, so any thread may make any of them.
        """
        order = generator(self.seed, "order", number).permutation(self.rows)
        part, parts = self.part
        size = self.batch_size // parts
        places = np.arange(first_step, self.steps_per_epoch) * self.batch_size + part * size
        return [partial(self._views, order[place:][:size], number, views) for place in places]

    def _views(
        self, rows: Int[np.ndarray, " video"], epoch: int, views: dict[str, View]
    ) -> dict[str, ClipBatch]:
        return {name: self._batch(rows.tolist(), epoch, view) for name, view in views.items()}

    def _batch(self, rows: list[int], epoch: int, view: View) -> ClipBatch:
        clips, draws, first_frames = [], [], []
        for row in rows:
            total, height, width = self.store.shape(row)
            video = self.store.video(row)
            numbers = self._frame_numbers(total, epoch, video, view.crop)
            first_frames.append(int(numbers[0]))
            still = numbers[:1].repeat(len(numbers))
            clips.append(self.store.clip(row, still if view.still else numbers))
            random = generator(self.seed, "augment", epoch, video, view.draw)
            pixels = self.clip.pixels
            drawn = draw(random, self.augment, height=height, width=width, pixels=pixels)
            # Crops that share a spatial draw share no noise: it would name their video.
            draws.append(replace(drawn, noise_seed=drawn.noise_seed + view.crop))
        return ClipBatch(rows, first_frames, stack_clips(clips), draws)

    def _frame_numbers(self, total: int, epoch: int, video: str, crop: int) -> np.ndarray:
        """Frames of temporal crop 1, 2, ... of a video in an epoch."""
        size = {"frames": self.clip.frames, "stride": self.clip.stride}
        starts = possible_starts(total, span(**size))
        chosen = [first_start(generator(self.seed, "crop", epoch, video, 1), starts)]
        limits = {"minimum": self.clip.minimum_distance, "maximum": self.clip.maximum_distance}
        for number in range(2, crop + 1):
            random = generator(self.seed, "crop", epoch, video, number)
            chosen.append(other_start(random, starts, chosen, **limits))
        return clip_frames(chosen[-1], **size, total=total)


def inference_batches(
    store: ClipStore, rows: Sequence[int], *, clip: Clip, inference: Inference, crops: int = 1
) -> list[Callable[[], ClipBatch]]:
    """What makes each batch: clips spread evenly over each video, `crops` squares of each clip.

    All clips of a video are in one batch; `rows` of a batch names the video of every clip.
    """
    videos = max(1, inference.batch_size // (inference.clips * crops))
    return [
        partial(_inference_batch, store, rows[start : start + videos], clip, inference, crops)
        for start in range(0, len(rows), videos)
    ]


def _inference_batch(
    store: ClipStore, rows: Sequence[int], clip: Clip, inference: Inference, crops: int
) -> ClipBatch:
    size = {"frames": clip.frames, "stride": clip.stride}
    of_clips, first_frames, clips, draws = [], [], [], []
    for row in rows:
        total, height, width = store.shape(row)
        starts = even_starts(total, span(**size), clips=inference.clips, stride=clip.stride)
        for start in starts:
            frames = store.clip(row, clip_frames(start, **size, total=total))
            for square in squares(height, width, inference.crop, count=crops):
                clips.append(frames)
                of_clips.append(row)
                first_frames.append(start)
                draws.append(square)
    return ClipBatch(of_clips, first_frames, stack_clips(clips), draws)
