from functools import partial

import numpy as np
import pytest

from hdc.data.preparation.clock import UnsoundStamps, by_rate, by_stamps, nearest
from hdc.data.preparation.frame_source import SourceFrame


def frames(stamps):
    """Frames that hold their number."""
    return [
        SourceFrame(stamp, lambda number=number: np.full((2, 2, 3), number, np.uint8))
        for number, stamp in enumerate(stamps)
    ]


def numbers(timed):
    return [int(frame.image[0, 0, 0]) for _, frame in timed]


def slow_nearest(times, fps, end):
    """For each time of the grid the nearest of all frames, the earlier of two that are as near."""
    grid = times[0] + np.arange(0, (end - times[0]) * fps - min(0.002 * fps, 0.5)) / fps
    return [int(np.argmin(np.abs(np.array(times) - at).round(9))) for at in grid]


@pytest.mark.parametrize("fps", [1, 5, 10, 12.5, 15, 25, 30, 60])
@pytest.mark.parametrize(
    "times",
    [
        np.arange(50) / 25,
        np.arange(31) / 30,
        np.round(np.arange(40) / 29.97, 3),
        np.array([0, 0.04, 0.08, 0.5, 0.54, 1.2, 1.24]),
        3 + np.arange(25) / 12.5,
    ],
    ids=["25", "30", "milliseconds", "varies", "starts late"],
)
def test_nearest_is_what_a_look_at_all_frames_finds(times, fps):
    times = times.tolist()
    end = times[-1] + (times[-1] - times[0]) / (len(times) - 1)
    found = list(nearest(zip(times, frames(times), strict=True), fps=fps, lasts=0.04))
    assert numbers(found) == slow_nearest(times, fps, end)
    assert [at for at, _ in found] == pytest.approx(times[0] + np.arange(len(found)) / fps)


def test_two_seconds_are_twice_the_rate():
    """By hand: 50 frames at 25 a second; every second and third in turn at 10."""
    timed = [*by_rate(frames([None] * 50), fps=25)]
    assert numbers(nearest(timed, fps=10, lasts=0.04))[:6] == [0, 2, 5, 7, 10, 12]
    for fps in (10, 25, 50):
        assert len([*nearest(timed, fps=fps, lasts=0.04)]) == 2 * fps


def test_a_single_frame_lasts_as_long_as_it_is_said():
    assert numbers(nearest([(0.0, frames([0])[0])], fps=10, lasts=0.5)) == [0] * 5
    assert numbers(nearest([(0.0, frames([0])[0])], fps=10, lasts=0.01)) == [0]
    assert numbers(nearest([], fps=10, lasts=0.5)) == []


def test_stamps_count_from_the_start_of_the_file():
    stamps = [1.5, 1.54, 1.58]
    assert [at for at, _ in by_stamps(frames(stamps), start=1.4)] == pytest.approx(
        [0.1, 0.14, 0.18]
    )
    for start in (None, 1e6, 2.0):  # not said, or a lie
        found = [at for at, _ in by_stamps(frames(stamps), start=start)]
        assert found == pytest.approx([0, 0.04, 0.08])


@pytest.mark.parametrize("stamps", [[0, 0.08, 0.04], [0, None, 0.08], [0, 0.04, 95000.0]])
def test_stamps_that_cannot_be_believed(stamps):
    with pytest.raises(UnsoundStamps):
        list(by_stamps(frames(stamps), start=0.0))


def test_a_frame_that_nobody_looks_at_is_not_made():
    made = []

    def make(number):
        made.append(number)
        return np.zeros((2, 2, 3), np.uint8)

    sources = [SourceFrame(number / 25, partial(make, number)) for number in range(50)]
    taken = nearest(by_stamps(sources, start=0.0), fps=5, lasts=0.04)
    assert len([frame.image for _, frame in taken]) == 10
    assert made == list(range(0, 50, 5))
