"""What tells nothing of the motion: frames without their order, and all that is no motion."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from hdc.data.motions import STATE_PERIODS
from hdc.data.synthetic import MOTIONS, plan_videos, render, state_at

FRAMES, PIXELS = 16, 16
LOOKS = (
    "background", "background_x", "background_y", "background_hue", "background_step_x",
    "background_step_y", "background_step_hue", "shape_hue", "step_shape_hue", "light_loss",
    "light_phase", "light_step", "size",
)  # fmt: skip


def plan(videos, *, motions=MOTIONS, shortcut=0.0):
    return plan_videos(
        shapes=["triangle", "bar"], motions=list(motions), train_videos=videos,
        validation_videos=24, test_videos=24, train_backgrounds=40, test_backgrounds=8,
        frames=FRAMES, pixels=PIXELS, appearance_change=1.0, shortcut=shortcut,
        test_shortcut="none", seed=0,
    )[:videos]  # fmt: skip


def accuracy(features, truth):
    """Of boosted trees fitted on the first two thirds, chance, and the standard error of chance."""
    trees = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    split = 2 * len(truth) // 3
    trees.fit(features[:split], truth[:split])
    chance = 1 / len(set(truth))
    error = np.sqrt(chance * (1 - chance) / (len(truth) - split))
    return np.mean(trees.predict(features[split:]) == truth[split:]), chance, error


def statistics(table, *, order):
    """Of the true states of each clip: means, spreads, medians; with order, differences, too."""
    turns = np.stack(
        [2 * np.pi * np.stack(list(state_at(row, np.arange(FRAMES)).values()), 1)
         / list(STATE_PERIODS.values()) for _, row in table.iterrows()]
    )  # fmt: skip
    waves = np.concatenate([np.cos(turns), np.sin(turns)], axis=-1)  # (video, frame, wave)
    found = [waves.mean(1), waves.std(1), np.median(waves, 1)]
    if order:
        found.append(np.sin(np.diff(turns, axis=1)).mean(1))
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("axis", ["horizontal", "turn", "size", "orbit", "sway"])
def test_without_order_the_true_states_do_not_tell_which_of_two_directions(axis):
    table = plan(7200)
    pair = table[table.motion_axis == axis]
    truth = pair.motion_direction.to_numpy()
    found, chance, error = accuracy(statistics(pair, order=False), truth)
    assert abs(found - chance) < 3 * error
    assert accuracy(statistics(pair, order=True), truth)[0] > 0.95


def test_without_order_the_frames_do_not_tell_which_of_two_directions():
    """Means, spreads, least and greatest values of every pixel: all that shuffling leaves alike."""
    for motions in (("right", "left"), ("sway_right", "sway_left")):
        table = plan(900, motions=motions)
        clips = np.stack([render(row, frames=FRAMES, pixels=PIXELS) for _, row in table.iterrows()])
        luma = clips.mean(axis=-1)
        pictures = [luma.mean(1), luma.std(1), luma.min(1), luma.max(1)]
        features = np.stack(pictures, axis=1).reshape(len(table), -1)
        found, chance, error = accuracy(features, table.motion.to_numpy())
        assert abs(found - chance) < 3 * error


@pytest.mark.parametrize("factor", ["motion", "shape"])
def test_looks_tell_nothing_of_the_label_but_where_there_is_a_shortcut(factor):
    table = plan(4800)
    found, chance, error = accuracy(table[list(LOOKS)].to_numpy(), table[factor].to_numpy())
    assert abs(found - chance) < 3 * error
    led = plan(4800, shortcut=0.9)
    found, chance, error = accuracy(led[list(LOOKS)].to_numpy(), led[factor].to_numpy())
    if factor == "motion":
        assert found > 0.8
    else:
        assert abs(found - chance) < 3 * error
