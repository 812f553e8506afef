"""Frames of whole videos' clips in other orders, against one clip at a time."""

import torch

from hdc.data.batches import ClipBatch
from hdc.data.frame_orders import in_order, shuffled_frames
from hdc.data.store import ClipStore

CLIPS, CROPS, FRAMES = 2, 3, 5


class Names(ClipStore):
    """A store of nothing but names."""

    def __init__(self):
        pass

    def video(self, row):
        return f"{row}.avi"


STORE = Names()


def batch():
    """Two videos of two clips, three squares of each; clips of different videos in two parts."""
    rows = [row for row in (4, 7) for _ in range(CLIPS * CROPS)]
    frames = torch.arange(2 * CLIPS * FRAMES, dtype=torch.uint8).view(2 * CLIPS, FRAMES, 1, 1, 1)
    frames = frames.repeat_interleave(CROPS, dim=0).expand(-1, -1, 2, 2, 3)
    return ClipBatch(rows, [0] * len(rows), frames.split(6), [])


def firsts(parts):
    """The frames that each clip shows, by their values."""
    return [clip[:, 0, 0, 0].tolist() for part in parts for clip in part]


def test_each_order():
    plain = firsts(batch().parts)
    each = {"clips": CLIPS, "crops": CROPS}
    shown = {
        order: firsts(in_order(batch(), order, STORE, **each))
        for order in ("still", "reversed", "swapped", "shuffled")
    }
    assert shown["still"] == [[clip[0]] * FRAMES for clip in plain]
    assert shown["reversed"] == [clip[::-1] for clip in plain]
    assert shown["swapped"] == [clip[2:] + clip[:2] for clip in plain]
    orders = shuffled_frames(STORE, [4, 4, 7, 7], CLIPS, FRAMES)
    assert shown["shuffled"] == [
        [plain[place][frame] for frame in orders[place // CROPS]] for place in range(len(plain))
    ]
    assert len({tuple(order) for order in orders}) == 4
