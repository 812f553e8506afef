"""Batches of clips: which videos, which crops, which draws; all from (seed, epoch, video)."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from hdc.data.draws import Draw, draw, squares
from hdc.data.store import ClipStore
from hdc.data.temporal_crops import (
    clip_frames,
    even_starts,
    first_start,
    other_start,
    possible_starts,
    span,
)  # fmt: skip
from hdc.data.variations import Moment, Shown, Variation, built_variation
from hdc.runtime.errors import InputError
from hdc.runtime.seeding import generator
from hdc.settings.objective import View
from hdc.settings.schema import Augment, Clip, Inference

NO_TRACKS: Mapping[str, ClipStore] = MappingProxyType({})
SIDE_STEP = 32  # pixels; frames whose sides differ by less share a tensor


@dataclass(frozen=True)
class ClipBatch:
    """Stored clips and how to augment them.

    `rows` are the videos' rows in the index, `first_frames` the numbers of the clips' first frames.
    `parts` are the clips in their order, a tensor for those that follow one another with frames of
    about one size: none is filled up to the largest of all.
    """

    rows: list[int]
    first_frames: list[int]
    parts: tuple[UInt8[Tensor, "_ time _ _ _"], ...]
    draws: list[Draw]
    variants: list[int] = field(default_factory=list)  # how each clip was varied
    changed: Callable[[Tensor, int], Tensor] | None = None  # what a variant does to pictures

    @property
    def frames(self) -> int:
        """Frames of a clip."""
        return self.parts[0].shape[1]

    @property
    def channels(self) -> int:
        """Of a frame as it is stored."""
        return self.parts[0].shape[-1]

    def clip(self, number: int) -> UInt8[Tensor, "time height width _"]:
        """One of the clips."""
        return [clip for part in self.parts for clip in part][number]

    def only(self, number: int) -> "ClipBatch":
        """A batch of one of the clips."""
        return replace(
            self,
            rows=self.rows[number : number + 1],
            first_frames=self.first_frames[number : number + 1],
            parts=(self.clip(number)[None],),
            draws=self.draws[number : number + 1],
            variants=self.variants[number : number + 1],
        )


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
        pinned: bool = False,
        tracks: Mapping[str, ClipStore] = NO_TRACKS,
    ) -> None:
        """`pinned`: clips lie in memory that a GPU reads from, and that is used again.

        `tracks`: what views of other inputs than frames are read from, by input.
        """
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
        self.pinned, self.tracks = pinned, tracks

    def of_size(self, batch_size: int) -> "VideoBatches":
        """Batches of another size of the same videos, made by this process alone."""
        return VideoBatches(
            self.store,
            self.rows,
            clip=self.clip,
            augment=self.augment,
            batch_size=batch_size,
            seed=self.seed,
            tracks=self.tracks,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; the videos left over, different ones each time, are unused."""
        return len(self.rows) // self.batch_size

    def epoch(
        self, number: int, first_step: int = 0, *, views: Mapping[str, View]
    ) -> list[Callable[[], dict[str, ClipBatch]]]:
        """What makes each batch of an epoch from `first_step` on: a batch of clips for each view.

        A batch depends on nothing but its place, so any thread may make any of them.
        """
        order = generator(self.seed, "order", number).permutation(self.rows)
        part, parts = self.part
        size = self.batch_size // parts
        places = np.arange(first_step, self.steps_per_epoch) * self.batch_size + part * size
        return [partial(self._views, order[place:][:size], number, views) for place in places]

    def _views(
        self, rows: Int[np.ndarray, " video"], epoch: int, views: Mapping[str, View]
    ) -> dict[str, ClipBatch]:
        """A batch of clips a view; views that show the same frames share them, read once."""
        by_size = sorted(rows.tolist(), key=lambda row: padded_size(self.store, row))
        read: dict[tuple, tuple[list[int], tuple[Tensor, ...]]] = {}
        batch = {}
        for name, view in views.items():
            vary = built_variation(view.vary)
            variants = self._variants(by_size, epoch, view, vary)
            store = self.tracks.get(view.input, self.store)
            shown = (view.crop, view.still, view.order, name if vary.shown else "")
            frames = (id(store), *shown)
            if frames not in read:
                wanted = [
                    (row, self._frame_numbers(row, epoch, view, vary.shown, variant))
                    for row, variant in zip(by_size, variants, strict=True)
                ]
                firsts = [int(numbers[0]) for _, numbers in wanted]
                read[frames] = firsts, read_clips(store, wanted, pinned=self.pinned)
            draws = self._draws(by_size, epoch, view)
            batch[name] = ClipBatch(by_size, *read[frames], draws, variants, vary.changed)
        return batch

    def _variants(self, rows: list[int], epoch: int, view: View, variation: Variation) -> list[int]:
        """Which variant each video's clip is; alike in views that share a draw."""
        if variation.classes == 1:
            return [0] * len(rows)
        drawn = []
        for row in rows:
            random = generator(self.seed, "variant", epoch, self.store.video(row), view.draw)
            drawn.append(int(random.integers(variation.classes)))
        return drawn

    def _draws(self, rows: list[int], epoch: int, view: View) -> list[Draw]:
        """A draw of each video. Crops that share one share no noise: it would name their video."""
        draws = []
        for row in rows:
            _, height, width = self.store.shape(row)
            random = generator(self.seed, "augment", epoch, self.store.video(row), view.draw)
            size = {"height": height, "width": width, "pixels": self.clip.pixels}
            drawn = draw(random, self.augment, **size)
            draws.append(replace(drawn, noise_seed=drawn.noise_seed + view.crop))
        return draws

    def _frame_numbers(
        self, row: int, epoch: int, view: View, shown: Shown | None, variant: int
    ) -> np.ndarray:
        """The frames of a video that a view shows in an epoch, in their order."""
        total, video = self.store.shape(row)[0], self.store.video(row)
        start = self._start(total, epoch, video, view.crop)
        moment = Moment(start, self.clip.frames, self.clip.stride, total)
        numbers = moment.plain() if shown is None else shown(moment, variant)
        if view.still:
            return numbers[:1].repeat(len(numbers))
        if view.order == "reversed":
            return numbers[::-1]
        if view.order == "shuffled":
            random = generator(self.seed, "shuffle", epoch, video, view.crop)
            return random.permutation(numbers)
        return numbers

    def _start(self, total: int, epoch: int, video: str, crop: int) -> int:
        """Where temporal crop 1, 2, ... of a video starts in an epoch."""
        starts = possible_starts(total, span(frames=self.clip.frames, stride=self.clip.stride))
        chosen = [first_start(generator(self.seed, "crop", epoch, video, 1), starts)]
        limits = {"minimum": self.clip.minimum_distance, "maximum": self.clip.maximum_distance}
        for number in range(2, crop + 1):
            random = generator(self.seed, "crop", epoch, video, number)
            chosen.append(other_start(random, starts, chosen, **limits))
        return chosen[-1]


def padded_size(store: ClipStore, row: int) -> tuple[int, int]:
    """Height and width of a video's frames, up to the next multiple of SIDE_STEP pixels."""
    _, height, width = store.shape(row)
    return height + -height % SIDE_STEP, width + -width % SIDE_STEP


def read_clips(
    store: ClipStore,
    wanted: Sequence[tuple[int, Int[np.ndarray, " clip"]]],
    *,
    pinned: bool = False,
) -> tuple[UInt8[Tensor, "_ time _ _ _"], ...]:
    """Clips of a store, by row and the numbers of their frames, as the parts of a batch.

    Those that follow one another with frames of about one size share a tensor, filled up with black
    below and to the right. Each clip is read where it is to be.
    """
    parts = []
    for _, group in itertools.groupby(wanted, key=lambda clip: padded_size(store, clip[0])):
        some = list(group)
        sizes = [store.shape(row)[1:] for row, _ in some]
        height, width = (max(sides) for sides in zip(*sizes, strict=True))
        make = torch.empty if len(set(sizes)) == 1 else torch.zeros
        shape = (len(some), len(some[0][1]), height, width, store.channels)
        part = make(shape, dtype=torch.uint8, pin_memory=pinned)
        for place, (row, numbers) in zip(part.numpy(), some, strict=True):
            store.read(row, numbers, place)
        parts.append(part)
    return tuple(parts)


def inference_batches(
    store: ClipStore,
    rows: Sequence[int],
    *,
    clip: Clip,
    inference: Inference,
    crops: int = 1,
    window: int = 0,
) -> list[Callable[[], ClipBatch]]:
    """What makes each batch: clips spread evenly over each video, `crops` squares of each clip.

    All clips of a video are in one batch; `rows` of a batch names the video of every clip. With a
    `window`, in frames of the video, windows are spread and a clip is in the middle of each, so
    that clips of several strides show the same moments.
    """
    videos = max(1, inference.batch_size // (inference.clips * crops))
    return [
        partial(
            _inference_batch, store, rows[start : start + videos], clip, inference, crops, window
        )
        for start in range(0, len(rows), videos)
    ]


def _inference_batch(
    store: ClipStore,
    rows: Sequence[int],
    clip: Clip,
    inference: Inference,
    crops: int,
    window: int,
) -> ClipBatch:
    size = {"frames": clip.frames, "stride": clip.stride}
    length = span(**size)
    window = max(window, length)
    of_clips, first_frames, wanted, draws = [], [], [], []
    for row in rows:
        total, height, width = store.shape(row)
        starts = even_starts(total, window, clips=inference.clips, stride=clip.stride)
        for start in (first + (window - length) // 2 for first in starts):
            frames = clip_frames(start, **size, total=total)
            for square in squares(height, width, inference.crop, count=crops):
                wanted.append((row, frames))
                of_clips.append(row)
                first_frames.append(start)
                draws.append(square)
    return ClipBatch(of_clips, first_frames, read_clips(store, wanted), draws)
