import numpy as np
import pytest

from hdc.data.temporal_crops import (
    clip_frames,
    even_starts,
    first_start,
    other_start,
    possible_starts,
    span,
)


def test_frames_of_a_clip():
    assert clip_frames(3, frames=4, stride=2, total=20).tolist() == [3, 5, 7, 9]
    assert span(frames=4, stride=2) == 7


def test_a_short_video_is_looped():
    assert clip_frames(2, frames=6, stride=1, total=4).tolist() == [2, 3, 0, 1, 2, 3]
    assert possible_starts(4, 6) == 4


def test_a_clip_may_start_wherever_it_ends_inside():
    assert possible_starts(10, 7) == 4
    assert possible_starts(7, 7) == 1
    random = np.random.default_rng(0)
    assert {first_start(random, 4) for _ in range(200)} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("minimum", "maximum", "expected"),
    [
        (0, None, set(range(10))),
        (4, None, {0, 1, 9}),
        (0, 2, {3, 4, 5, 6, 7}),
        (2, 3, {2, 3, 7, 8}),
        (0, 0, {5}),
        (5, 5, {0}),
        (6, None, {0}),  # no start is that far: the farthest
    ],
)
def test_distance_between_two_crops(minimum, maximum, expected):
    random = np.random.default_rng(0)
    found = {other_start(random, 10, [5], minimum=minimum, maximum=maximum) for _ in range(300)}
    assert found == expected


@pytest.mark.parametrize(
    ("total", "clips", "expected"),
    [(20, 3, [0, 6, 12]), (20, 1, [6]), (8, 3, [0, 0, 0]), (5, 2, [0, 0])],
)
def test_even_starts(total, clips, expected):
    assert even_starts(total, 8, clips=clips) == expected


@pytest.mark.parametrize("total", range(1, 81))
def test_clips_cover_every_frame_of_a_video_that_is_no_longer_than_all_of_them(total):
    starts = even_starts(total, 8, clips=10)
    seen = {
        frame for start in starts for frame in clip_frames(start, frames=8, stride=1, total=total)
    }
    assert seen == set(range(total))


@pytest.mark.parametrize("total", range(1, 22))
def test_a_looped_video_is_seen_whole_also_with_a_stride(total):
    starts = even_starts(total, span(frames=8, stride=3), clips=3, stride=3)
    seen = [clip_frames(start, frames=8, stride=3, total=total) for start in starts]
    assert set(np.concatenate(seen)) == set(range(total))


def test_a_third_crop_keeps_its_distance_from_both():
    random = np.random.default_rng(0)
    limits = {"minimum": 3, "maximum": None}
    found = {other_start(random, 12, [5, 1], **limits) for _ in range(300)}
    assert found == {8, 9, 10, 11}
