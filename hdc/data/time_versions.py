"""The same clips played otherwise, and which videos look the same however they are played."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from hdc.data.batches import ClipBatch
from hdc.data.store import ClipStore
from hdc.runtime.seeding import generator

BLOCK = 4  # pixels, whose mean hardly knows the noise of a codec
ALIKE = 4.0  # of 255: as far as the means of blocks may differ

Clips = UInt8[Tensor, "clip time height width 3"]
Blocks = Float[Tensor, "clip time 3 rows columns"]
Change = Callable[[Tensor], Tensor]  # of the order of frames, which are the second axis


def backward(clips: Tensor) -> Tensor:
    """Clips from their last frame to their first."""
    return clips.flip(1)


def swapped(clips: Tensor) -> Tensor:
    """Clips that begin with their second half; the middle frame of an odd number goes with it."""
    return clips.roll(-(clips.shape[1] // 2), dims=1)


def still(clips: Tensor) -> Tensor:
    """Clips whose first frame is repeated."""
    return clips[:, :1].expand_as(clips)


def block_means(clips: Clips) -> Blocks:
    """The mean color of every square of BLOCK x BLOCK pixels, from 0 to 255."""
    frames = clips.flatten(0, 1).permute(0, 3, 1, 2).float()
    return F.avg_pool2d(frames, BLOCK, ceil_mode=True).unflatten(0, clips.shape[:2])


def look_alike(blocks: Blocks, change: Change) -> Bool[Tensor, " clip"]:
    """Whether a clip looks the same with a change of its frames: no mean of a block differs."""
    return (blocks - change(blocks)).abs().flatten(1).amax(1) <= ALIKE


def repeated(blocks: Blocks) -> Float[Tensor, " clip"]:
    """The share of a clip's frames after the first that look like the one before."""
    steps = (blocks[:, 1:] - blocks[:, :-1]).abs().flatten(2).amax(2)
    return (steps <= ALIKE).float().mean(1)


class Looks:
    """What batches of clips look like on their way to an encoder.

    `alike` says by name of a change, for each video, whether all its clips look the same with it.
    """

    def __init__(self, changes: Mapping[str, Change], clips_each: int) -> None:
        self.changes, self.clips_each = changes, clips_each
        self.alike: dict[str, list[bool]] = {name: [] for name in changes}
        self._repeated: list[float] = []

    @property
    def repeated_frames(self) -> float:
        """The share of frames that look like the one before; 0 of none."""
        return sum(self._repeated) / max(1, len(self._repeated))

    def watched(self, batches: Iterable[ClipBatch]) -> Iterator[ClipBatch]:
        """The same batches, each looked at."""
        for batch in batches:
            parts = [block_means(part) for part in batch.parts]
            for name, change in self.changes.items():
                clips = torch.cat([look_alike(part, change) for part in parts])
                self.alike[name] += clips.view(-1, self.clips_each).all(1).tolist()
            self._repeated += torch.cat([repeated(part) for part in parts]).tolist()
            yield batch


def drawn_videos(store: ClipStore, count: int) -> list[int]:
    """Rows of `count` videos, or of all if there are fewer, in order.

    Whether a video is drawn depends on its name and on those of the others, so that all encoders
    are shown the same.
    """
    numbers = [generator(0, "time probes", store.video(row)).random() for row in range(len(store))]
    return sorted(sorted(range(len(store)), key=numbers.__getitem__)[:count])


def long_enough(store: ClipStore, rows: Sequence[int], frames: int) -> list[int]:
    """Those of some rows whose videos have so many frames: one that is looped jumps in between."""
    return [row for row in rows if store.shape(row)[0] >= frames]
