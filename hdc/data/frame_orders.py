"""Whole videos' clips with their frames in another order, or one of them repeated: controls."""

import torch
from jaxtyping import UInt8
from torch import Tensor

from hdc.data.batches import ClipBatch
from hdc.data.reordered import reordered
from hdc.data.store import ClipStore
from hdc.runtime.seeding import generator


def in_order(
    batch: ClipBatch, order: str, store: ClipStore, *, clips: int, crops: int = 1
) -> tuple[UInt8[Tensor, "_ time _ _ _"], ...]:
    """The parts of a batch of whole videos, each clip in an order.

    `still`: its first frame repeated; `reversed`; `shuffled`: as `shuffled_frames` says. `clips`
    and `crops`: how many clips each video has, and how many squares of each lie side by side.
    """
    plain = torch.arange(batch.frames).expand(len(batch.rows), -1)
    if order == "shuffled":
        frames = shuffled_frames(store, batch.rows[::crops], clips, batch.frames)
        orders = torch.tensor(frames).repeat_interleave(crops, dim=0)
    else:
        orders = {"still": torch.zeros_like(plain), "reversed": plain.flip(1)}[order]
    parts = zip(batch.parts, orders.split([len(part) for part in batch.parts]), strict=True)
    return tuple(reordered(part, new) for part, new in parts)


def shuffled_frames(
    store: ClipStore, rows: list[int], clips_each: int, frames: int
) -> list[list[int]]:
    """The frames of every clip in random order.

    It depends on the video and on which of its clips it is, on nothing else: all encoders are shown
    the same.
    """
    return [
        generator(0, "shuffled", store.video(row), place % clips_each).permutation(frames).tolist()
        for place, row in enumerate(rows)
    ]
