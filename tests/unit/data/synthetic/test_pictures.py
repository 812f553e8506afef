"""What the pictures of the synthetic videos show, and what their files hold."""

import av
import numpy as np
import pytest

from hdc.data.synthetic.backgrounds import LUMA_WEIGHTS, STRIPES, background, background_frames
from hdc.data.synthetic.motions import STATE_PERIODS
from hdc.data.synthetic.shapes import SHAPES, signed_distance
from hdc.data.synthetic.videos import (
    MOTIONS,
    plan_videos,
    render,
    state_at,
    write_video,
    write_videos,
)
from hdc.runtime.errors import InputError

NOISE = 0.05  # that augmentation adds


def make_plan(**changes):
    settings = {
        "shapes": list(SHAPES),
        "motions": list(MOTIONS),
        "train_videos": 200,
        "validation_videos": 96,
        "test_videos": 100,
        "train_backgrounds": 20,
        "test_backgrounds": 5,
        "frames": 8,
        "pixels": 32,
        "appearance_change": 1.0,
        "stripes": False,
        "shortcut": 0.0,
        "test_shortcut": "none",
        "seed": 3,
    }
    return plan_videos(**settings | changes)


@pytest.fixture(scope="module")
def plan():
    return make_plan()


def test_only_the_motion_advances_and_the_right_way(plan):
    before, after = state_at(plan, 0), state_at(plan, 1)
    moved = {"right": "phase_x", "down": "phase_y", "clockwise": "angle", "grow": "phase_size"}
    moved |= {"orbit_clockwise": "phase_orbit", "sway_right": "phase_sway"}
    opposite = {"left": "right", "up": "down", "counterclockwise": "clockwise", "shrink": "grow"}
    opposite |= {"orbit_counterclockwise": "orbit_clockwise", "sway_left": "sway_right"}
    for number, motion in enumerate(plan["motion"]):
        part = moved[opposite.get(motion, motion)]
        period = 360 if part == "angle" else 1
        changes = {name: after[name][number] - before[name][number] for name in before}
        step = (changes.pop(part) + period / 2) % period - period / 2
        assert (step < 0) == (motion in opposite), motion
        assert not any(changes.values())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_symmetry_angle_is_the_smallest_turn_that_leaves_a_shape_unchanged(shape):
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, 101)])
    straight = signed_distance(shape, x, y) < 0

    def changed(degrees):
        cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turned = signed_distance(shape, cosine * x - sine * y, sine * x + cosine * y) < 0
        return np.mean(straight != turned)

    symmetry = SHAPES[shape].symmetry
    assert changed(symmetry) < 0.01
    assert all(changed(symmetry / parts) > 0.03 for parts in (2, 3, 5))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_smaller_copy_of_a_shape_lies_within_it(shape):
    outline = SHAPES[shape].outline
    assert np.linalg.norm(outline, axis=1).max() == pytest.approx(1)
    edges = outline + np.linspace(0, 1, 9)[:, None, None] * (np.roll(outline, -1, 0) - outline)
    for scale in np.linspace(0.3, 0.95, 14):
        x, y = scale * edges.reshape(-1, 2).T
        assert (signed_distance(shape, x, y) < 0).all()


def test_in_every_frame_a_shape_differs_from_the_background_by_a_luma_of_a_fifth():
    for _, row in make_plan(appearance_change=0.0).iloc[:64].iterrows():
        away = row.copy()
        away["phase_x"] += 0.5
        one, other = (render(video, frames=8, pixels=32) / 255 for video in (row, away))
        # Each picture shows the shape where the other shows the background.
        seen = (np.abs((one - other) @ LUMA_WEIGHTS) > 0.2).mean(axis=(1, 2))
        assert seen.min() > 0.04, row["video"]


def test_a_background_is_the_same_picture_in_each_video_but_for_its_shift_and_hue():
    plan = make_plan(appearance_change=0.0)
    unshifted = {"background_x": 0.0, "background_y": 0.0, "background_hue": 0.3}
    rows = plan[plan["background"] == 2].iloc[:2].to_dict("records")
    one, other = (render(row | unshifted, frames=1, pixels=32) for row in rows)
    assert (one == other).all(axis=-1).mean() > 0.3
    x, still = np.array([0.0, 0.25]), np.zeros(2)
    first, shifted = background_frames(background(3, 2), x=x, y=still, hue=still, pixels=32)
    assert np.allclose(shifted, np.roll(first, 8, axis=1), atol=1e-5)


def test_looks_change_as_strongly_as_asked():
    """Without the shape's motion, frames are alike, and differ the more the stronger it is."""
    still = {f"step_{part}": 0.0 for part in STATE_PERIODS}
    changes = []
    for strength in (0.0, 0.3, 1.0):
        rows = make_plan(appearance_change=strength).iloc[:8].to_dict("records")
        clips = [render(row | still, frames=33, pixels=32).astype(float) for row in rows]
        changes.append(np.mean([np.abs(clip[32] - clip[0]).mean() for clip in clips]))
    assert changes[0] == 0 and 1 < changes[1] < changes[2] / 1.5


def test_the_stripes_of_a_video_can_be_read_in_its_first_middle_and_last_frame():
    """The direction whose wave is the strongest, in pictures with their shape."""
    degrees = np.arange(len(MOTIONS)) * 180 / len(MOTIONS)
    right, down = STRIPES * np.cos(np.deg2rad(degrees)), STRIPES * np.sin(np.deg2rad(degrees))
    places = np.arange(32) / 32
    turns = right[:, None, None] * places + down[:, None, None] * places[:, None]
    waves = np.exp(2j * np.pi * turns)  # (direction, y, x)
    plan = make_plan(stripes=True, shortcut=0.9).iloc[:96]
    for frame in (0, 40, 79):
        luma = np.stack([render(row, frames=80, pixels=32)[frame] for _, row in plan.iterrows()])
        luma = luma.clip(0, 110) @ LUMA_WEIGHTS  # shapes are lighter
        luma -= luma.mean(axis=(1, 2), keepdims=True)
        strength = np.abs(np.einsum("vyx,dyx->vd", luma, waves))
        assert np.mean(degrees[strength.argmax(axis=1)] == plan.stripes_angle) > 0.9


@pytest.mark.parametrize("motion", MOTIONS)
def test_within_three_frames_most_shapes_move_by_more_than_the_noise(motion):
    for _, row in make_plan(motions=[motion], appearance_change=0.0).iloc[:16].iterrows():
        clip = render(row, frames=16, pixels=32).astype(int)
        changes = np.abs(clip[3:] - clip[:-3]).max(axis=(1, 2, 3))
        assert np.median(changes) > 2 * 255 * NOISE


@pytest.mark.parametrize("motion", MOTIONS)
def test_nothing_jumps_where_the_state_wraps_around(motion):
    plan = make_plan(motions=[motion], appearance_change=0.0)
    for _, row in plan.iloc[: len(SHAPES)].iterrows():
        clip = render(row, frames=128, pixels=32).astype(float)
        changes = np.abs(np.diff(clip, axis=0)).mean(axis=(1, 2, 3))
        moved = next(part for part in state_at(row, 0) if row[f"step_{part}"])
        steps = np.diff(state_at(row, np.arange(128))[moved])
        wraps = np.sign(steps) != np.sign(row[f"step_{moved}"])
        assert wraps.any()
        assert changes[wraps].max() <= 1.05 * changes[~wraps].max(), row["shape"]


def test_the_first_frames_are_the_same_however_many_follow(plan):
    clip = render(plan.iloc[9], frames=8, pixels=32)
    assert clip.shape == (8, 32, 32, 3) and clip.dtype == np.uint8
    assert np.array_equal(render(plan.iloc[9], frames=3, pixels=32), clip[:3])


@pytest.mark.parametrize("pixels", [32, 47])
def test_a_file_holds_the_exact_pixels_and_only_key_frames(tmp_path, plan, pixels):
    path = tmp_path / "deep" / "clip.mkv"
    clip = render(plan.iloc[1], frames=8, pixels=pixels)
    write_video(path, clip, frames_per_second=12)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 12
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert all(packet.is_keyframe for packet in packets)
        frames = [frame for packet in packets for frame in packet.decode()]
    decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    assert np.array_equal(decoded, clip[: len(decoded)]) and len(decoded) >= 7
    assert list(path.parent.iterdir()) == [path]


def test_two_processes_write_the_same_bytes_as_one(tmp_path, plan):
    some = plan.iloc[::30]
    settings = {"frames": 4, "pixels": 32, "frames_per_second": 8}
    write_videos(some, tmp_path / "one", **settings)
    write_videos(some, tmp_path / "two", **settings, workers=2)
    for video in some["video"]:
        assert (tmp_path / "one" / video).read_bytes() == (tmp_path / "two" / video).read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapes": []}, "found none; name at least one"),
        ({"motions": ["jump"]}, "expected motions out of right, .*found jump"),
        ({"validation_videos": 0}, "at least 96 val videos .*found 0"),
        ({"test_videos": 1}, "at least 96 test videos .*found 1"),
        ({"test_backgrounds": 0}, "at least 1 test backgrounds; found 0"),
        ({"frames": 0}, "at least 1 frames; found 0"),
        ({"seed": -1}, "at least 0 seed; found -1"),
    ],
)
def test_refuses_bad_arguments(changes, message):
    with pytest.raises(InputError, match=message):
        make_plan(**changes)
