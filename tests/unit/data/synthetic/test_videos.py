import av
import numpy as np
import pandas as pd
import pytest

from hdc.data.synthetic import motions
from hdc.data.synthetic.backgrounds import LUMA_WEIGHTS, background, background_frames, shape_color
from hdc.data.synthetic.shapes import SHAPES
from hdc.data.synthetic.videos import (
    MOTIONS,
    plan_videos,
    render,
    state_at,
    write_video,
    write_videos,
)
from hdc.runtime.errors import InputError

SIZES = {"frames": 8, "pixels": 32}


def plan(**changes):
    values = {
        "shapes": ["bar", "star"],
        "motions": list(MOTIONS),
        "train_videos": 48,
        "validation_videos": 24,
        "test_videos": 48,
        "train_backgrounds": 16,
        "test_backgrounds": 8,
        "appearance_change": 1.0,
        "stripes": False,
        "shortcut": 0.0,
        "test_shortcut": "none",
        "seed": 0,
        **SIZES,
    }
    return plan_videos(**(values | changes))


def decoded(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def rows_of(table):
    return table.to_dict("records")


def test_decoded_frames_are_the_rendered_ones(tmp_path):
    for number, row in enumerate(rows_of(plan())[:5]):
        clip = render(row, **SIZES)
        write_video(tmp_path / f"{number}.mkv", clip, frames_per_second=25)
        assert np.array_equal(decoded(tmp_path / f"{number}.mkv"), clip)


def test_two_runs_give_the_same_bytes_and_an_interrupted_one_goes_on(tmp_path):
    table = plan()[:6]
    seen = []
    for name in ("one", "two"):
        write_videos(table, tmp_path / name, **SIZES, frames_per_second=25, on_video=seen.append)
        (tmp_path / name / table.video[2]).unlink()
        write_videos(table, tmp_path / name, **SIZES, frames_per_second=25)
    assert [path.name for path in seen[:6]] == [path.split("/")[1] for path in table.video]
    for video in table.video:
        assert (tmp_path / "one" / video).read_bytes() == (tmp_path / "two" / video).read_bytes()


def test_adding_videos_changes_no_other():
    more = plan(train_videos=96, test_videos=72)
    pd.testing.assert_frame_equal(
        more[more.video.isin(plan().video)].reset_index(drop=True), plan()
    )


def test_labels_are_balanced_in_every_part():
    counts = plan(train_videos=40).groupby(["part", "label"]).size().unstack()
    assert counts.shape == (3, 24)
    assert (counts.max(axis=1) - counts.min(axis=1) <= 1).all()


def test_no_background_is_in_two_parts():
    groups = plan(train_videos=500).groupby("part").group.agg(set)
    assert not groups["train"] & groups["val"]
    assert not groups["test"] & (groups["train"] | groups["val"])


def test_factors_do_not_depend_on_the_label():
    """Means of every nuisance by motion differ by no more than chance makes them."""
    table = plan(train_videos=4000)
    for factor in ("phase_x", "phase_y", "phase_size", "speed", "size", "background_hue"):
        groups = table[table.part == "train"].groupby("motion")[factor]
        standard_error = table[factor].std() / np.sqrt(4000 / len(MOTIONS))
        assert (groups.mean() - table[factor].mean()).abs().max() < 4 * standard_error


@pytest.mark.parametrize("change", [0.0, 0.5])
def test_settings_of_looks_change_no_other_draw(change):
    led = {"stripes": True, "shortcut": 0.9, "test_shortcut": "same"}
    one, other = plan(), plan(appearance_change=change, **led)
    changed = ("background_step", "step_shape", "light_loss", "stripes")
    alike = [name for name in one if not name.startswith(changed)]
    pd.testing.assert_frame_equal(one[alike], other[alike])
    for name in ("background_step_x", "background_step_hue", "step_shape_hue", "light_loss"):
        assert np.allclose(other[name], change * one[name])


def directions(part, **changes):
    """Which of the motions' directions the stripes of a part have, and which motions they show."""
    table = plan(stripes=True, **changes)
    rows = table[table.part == part]
    return (rows.stripes_angle / 180 * len(MOTIONS)).round(), rows.motion.map(MOTIONS.index)


def test_stripes_tell_the_motion_as_often_as_asked():
    led = {"train_videos": 6000, "validation_videos": 600, "test_videos": 240, "shortcut": 0.9}
    stripes, motion = directions("train", **led)
    assert (stripes == motion).mean() == pytest.approx(0.9 + 0.1 / len(MOTIONS), abs=0.015)
    stripes, motion = directions("test", **led)
    assert (stripes == motion).mean() < 0.2  # by chance one in twelve
    stripes, motion = directions("test", test_shortcut="same")
    assert (stripes == motion).all()
    stripes, motion = directions("test", test_shortcut="reversed")
    assert (stripes == (motion + 6) % 12).all()
    stripes, motion = directions("train", test_shortcut="reversed", train_videos=6000)
    counts = pd.crosstab(stripes, motion)
    assert counts.shape == (12, 12)
    assert counts.to_numpy().min() > 15  # of about 42 by chance


def test_stripes_run_the_way_their_name_says_and_drift():
    """The strongest wave of a picture has the wave vector of the stripes."""
    still = np.zeros(1)
    for degrees, wave in [(0.0, (0, 5)), (90.0, (5, 0)), (53.13, (4, 3))]:
        place = background(0, 1)
        fixed = {"y": still, "hue": still, "pixels": 64, "stripes": degrees}
        picture = background_frames(place, x=still, **fixed)[0] @ LUMA_WEIGHTS
        strength = np.abs(np.fft.fft2(picture - picture.mean()))[:32, :32]
        assert np.unravel_index(strength.argmax(), strength.shape) == wave
        shifted = background_frames(place, x=still + 0.25, **fixed)[0] @ LUMA_WEIGHTS
        assert np.allclose(shifted, np.roll(picture, 16, axis=1), atol=1e-3)


@pytest.mark.parametrize("stripes", [None, 36.0])
def test_shapes_stand_out_from_every_background(stripes):
    still, hues = np.zeros(3), np.array([0.0, 0.3, 0.7])
    for number in range(40):
        place = background(0, number)
        shown = {"x": still, "y": still, "hue": hues, "stripes": stripes}
        pictures = background_frames(place, pixels=32, **shown)
        for color in shape_color(hues):
            assert ((color - pictures) @ LUMA_WEIGHTS).min() > 0.3


@pytest.mark.parametrize("name", SHAPES)
def test_rotation_is_told_from_its_opposite(name):
    """At a stride of two a shape turns by less than half of its symmetry angle per frame."""
    assert SHAPES[name].symmetry / 2 > 2 * motions.GREATEST_ROTATION_PER_FRAME
    table = plan(train_videos=320)
    turns = table.step_angle[table.motion_kind == "rotate"].abs()
    assert turns.max() <= motions.GREATEST_ROTATION_PER_FRAME
    assert (table.step_angle[table.motion_kind != "rotate"] == 0).all()


@pytest.mark.parametrize("part", ["phase_x", "phase_y", "phase_size", "angle"])
def test_nothing_jumps_when_a_phase_wraps_around(part):
    motion = {"phase_x": "right", "phase_y": "down", "phase_size": "grow", "angle": "clockwise"}
    table = plan(motions=[motion[part]], appearance_change=0.0)
    for row in rows_of(table)[:6]:
        period = motions.STATE_PERIODS[part]
        row[part] = period - 4.5 * row[f"step_{part}"]  # wraps between frames 4 and 5
        clip = render(row, frames=10, pixels=48).astype(float)
        state = state_at(row, np.arange(10))[part]
        assert state[4] > state[5]
        change = np.abs(np.diff(clip, axis=0)).mean(axis=(1, 2, 3))
        assert change[4] <= 1.5 * np.delete(change, 4).max()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapes": ["bar", "blob"]}, "expected shapes out of .*blob"),
        ({"motions": ["right", "right"]}, "each once"),
        ({"train_videos": 3}, "at least 24 train videos"),
        ({"train_backgrounds": 1}, "at least 2 training backgrounds; found 1"),
        ({"appearance_change": 2.0}, "appearance_change: expected 0 to 1; found 2.0"),
        ({"test_shortcut": "any"}, "expected test_shortcut out of none, same, reversed"),
        ({"shortcut": 0.9}, "found shortcut 0.9 and test_shortcut none; set stripes to true"),
        ({"pixels": 8}, "at least 16 pixels"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(InputError, match=message):
        plan(**changes)
