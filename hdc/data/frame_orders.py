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

    `shuffled`: as `shuffled_frames` says; others as `frame_order` does. `clips` and `crops`: how
    many clips each video has, and how many squares of each lie side by side.
    """
    if order == "shuffled":
        frames = shuffled_frames(store, batch.rows[::crops], clips, batch.frames)
        orders = torch.tensor(frames).repeat_interleave(crops, dim=0)
    else:
        orders = torch.tensor(frame_order(order, batch.frames)).expand(len(batch.rows), -1)
    parts = zip(batch.parts, orders.split([len(part) for part in batch.parts]), strict=True)
    return tuple(reordered(part, new) for part, new in parts)


def frame_order(name: str, frames: int) -> list[int]:
    """The numbers of a clip's frames in an order that is the same for all clips.

    `still`: the first one repeated; `reversed`; `swapped`: the second half, to which the middle one
    of an odd number belongs, and then the first.
    """
    plain, half = [*range(frames)], frames // 2
    orders = {"still": plain[:1] * frames, "reversed": plain[::-1]}
    return (orders | {"swapped": plain[half:] + plain[:half]})[name]


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
