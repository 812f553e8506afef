"""Which videos are played otherwise to be told apart, and which of them look the same then."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from hdc.data.frame_orders import frame_order
from hdc.data.store import ClipStore
from hdc.runtime.seeding import generator

BLOCK = 4  # pixels, whose mean hardly knows the noise of a codec
ALIKE = 4.0  # of 255: as far as the means of blocks may differ

Clips = UInt8[Tensor, "clip time height width 3"]
Blocks = Float[Tensor, "clip time 3 rows columns"]


def block_means(clips: Clips) -> Blocks:
    """The mean color of every square of BLOCK x BLOCK pixels, from 0 to 255."""
    frames = clips.flatten(0, 1).permute(0, 3, 1, 2).float()
    return F.avg_pool2d(frames, BLOCK, ceil_mode=True).unflatten(0, clips.shape[:2])


def look_alike(blocks: Blocks, order: Sequence[int]) -> Bool[Tensor, " clip"]:
    """Whether a clip looks the same with its frames in that order: no mean of a block differs."""
    return (blocks - blocks[:, order]).abs().flatten(1).amax(1) <= ALIKE


def repeated(blocks: Blocks) -> Float[Tensor, " clip"]:
    """The share of a clip's frames after the first that look like the one before."""
    steps = (blocks[:, 1:] - blocks[:, :-1]).abs().flatten(2).amax(2)
    return (steps <= ALIKE).float().mean(1)


class Looks:
    """What the frames of videos look like in each of some orders of `frame_order`.

    `alike` says by order, for each video, whether all of its clips look the same in it.
    """

    def __init__(self, orders: Sequence[str], clips_each: int) -> None:
        self.orders, self.clips_each = orders, clips_each
        self.alike: dict[str, list[bool]] = {name: [] for name in orders}
        self._repeated: list[float] = []

    @property
    def repeated_frames(self) -> float:
        """The share of frames that look like the one before; 0 of none."""
        return sum(self._repeated) / max(1, len(self._repeated))

    def at(self, parts: Sequence[UInt8[Tensor, "_ time _ _ 3"]]) -> None:
        """Look at the clips of a batch, `clips_each` a video, one video after another."""
        seen = [block_means(part) for part in parts]
        for name in self.orders:
            order = frame_order(name, seen[0].shape[1])
            clips = torch.cat([look_alike(part, order) for part in seen])
            self.alike[name] += clips.view(-1, self.clips_each).all(1).tolist()
        self._repeated += torch.cat([repeated(part) for part in seen]).tolist()


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
