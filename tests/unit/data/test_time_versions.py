"""Clips played otherwise, and which look the same however they are played."""

import itertools

import av
import numpy as np
import pytest
import torch

from hdc.data.frame_orders import frame_order
from hdc.data.store import ClipStore
from hdc.data.time_versions import (
    ALIKE,
    BLOCK,
    Looks,
    block_means,
    drawn_videos,
    long_enough,
    look_alike,
    repeated,
)  # fmt: skip

ORDERS = ("reversed", "swapped", "still")


def clips_of(*orders, side=10, seed=0):
    """A clip for each order of frames, all out of one video of random pictures."""
    pictures = np.random.default_rng(seed).integers(0, 256, (9, side, side + 3, 3), np.uint8)
    return torch.from_numpy(pictures[list(orders)])


def test_means_of_blocks_are_those_of_a_loop_over_squares():
    clips = clips_of([0, 1], [2, 3])
    found = block_means(clips).numpy()
    for (row, top), (column, left) in itertools.product(
        enumerate(range(0, 10, BLOCK)), enumerate(range(0, 13, BLOCK))
    ):
        square = clips[:, :, top : top + BLOCK, left : left + BLOCK].double().mean(dim=(2, 3))
        assert found[..., row, column] == pytest.approx(square.numpy(), abs=1e-3)


def test_which_orders_leave_a_clip_as_it_looks():
    orders = {
        (0, 0, 0, 0): set(ORDERS),  # static
        (0, 1, 1, 0): {"reversed"},  # there and back
        (0, 1, 0, 1): {"swapped"},  # the second half repeats the first
        (0, 1, 2, 3): set(),
    }
    blocks = block_means(clips_of(*map(list, orders)))
    for order in ORDERS:
        expected = [order in unseen for unseen in orders.values()]
        assert look_alike(blocks, frame_order(order, 4)).tolist() == expected


def test_repeated_frames_by_hand():
    blocks = block_means(clips_of([0, 0, 1, 1, 2], [0, 1, 2, 3, 4], [5, 5, 5, 5, 5]))
    assert repeated(blocks).tolist() == [0.5, 0.0, 1.0]


def test_noise_hides_no_static_clip_and_a_small_thing_that_moves_is_seen():
    """Single pixels differ by more than a moving thing changes the mean of the frame."""
    rng = np.random.default_rng(0)
    static = rng.integers(20, 230, (1, 48, 64, 3)).repeat(6, axis=0)
    noisy = (static + rng.normal(0, 2, static.shape)).round().astype(np.uint8)
    moving = static.astype(np.uint8)
    for number in range(6):
        moving[number, 20:23, 8 * number : 8 * number + 3] = 255
    blocks = block_means(torch.from_numpy(np.stack([noisy, moving])))
    assert look_alike(blocks, frame_order("still", 6)).tolist() == [True, False]
    assert look_alike(blocks, frame_order("reversed", 6)).tolist() == [True, False]
    assert np.abs(np.diff(noisy.astype(int), axis=0)).max() > ALIKE


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_frames_that_a_codec_repeats_are_counted(codec, make_video, moving_square, tmp_path):
    """Every picture twice, as when 12 frames a second are stored as 25."""
    frames = moving_square(8).repeat(2, axis=0)
    path = make_video(tmp_path / "twice.mkv", frames, codec=codec)
    with av.open(str(path)) as file:
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
    blocks = block_means(torch.from_numpy(decoded)[None])
    assert len(decoded) == 16
    assert repeated(blocks).item() == pytest.approx(8 / 15)


def test_a_video_is_alike_only_if_all_its_clips_are():
    def parts(*orders):
        # As where frames differ in size.
        return clips_of(orders[0]), clips_of(*orders[1:], side=12)

    looks = Looks(["reversed"], clips_each=2)
    looks.at(parts([0, 1, 0], [1, 0, 1], [0, 1, 0], [0, 1, 2]))
    looks.at(parts([0, 1, 2], [0, 0, 1]))
    assert looks.alike == {"reversed": [True, False, False]}
    assert looks.repeated_frames == pytest.approx(0.5 / 6)
    assert Looks([], 2).repeated_frames == 0


def test_which_videos_are_drawn_depends_on_names_alone(tiny, monkeypatch):
    store = ClipStore(tiny)
    some, more, all_of_them = (drawn_videos(store, count) for count in (5, 9, 100))
    assert set(some) < set(more) and all_of_them == list(range(len(store)))
    assert some == sorted(some) and len(some) == 5
    names = [store.video(row) for row in some]
    monkeypatch.setattr(store, "videos", store.videos[::-1])
    assert {store.video(row) for row in drawn_videos(store, 5)} == set(names)


def test_videos_that_would_be_looped_are_left_out(tiny):
    store = ClipStore(tiny)
    assert long_enough(store, [3, 1], 24) == [3, 1]
    assert long_enough(store, [3, 1], 25) == []
