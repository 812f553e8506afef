"""What tells nothing of the motion: frames without their order, and all that is no motion."""

import numpy as np
import pytest
import torch
from chance import require_chance
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import nn

from hdc.data.synthetic.motions import STATE_PERIODS
from hdc.data.synthetic.videos import MOTIONS, plan_videos, render, state_at

FRAMES, PIXELS = 16, 16
LOOKS = (
    "background", "background_x", "background_y", "background_hue", "background_step_x",
    "background_step_y", "background_step_hue", "shape_hue", "step_shape_hue", "light_loss",
    "light_phase", "light_step", "size",
)  # fmt: skip


def plan(videos, *, motions=MOTIONS, stripes=False, shortcut=0.0):
    return plan_videos(
        shapes=["triangle", "bar"], motions=list(motions), train_videos=videos,
        validation_videos=24, test_videos=24, train_backgrounds=40, test_backgrounds=8,
        frames=FRAMES, pixels=PIXELS, appearance_change=1.0, stripes=stripes,
        shortcut=shortcut, test_shortcut="none", seed=0,
    )[:videos]  # fmt: skip


def told(features, truth):
    """Which of the last third boosted trees get right that are fitted on the other two."""
    trees = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    split = 2 * len(truth) // 3
    trees.fit(features[:split], truth[:split])
    return trees.predict(features[split:]) == truth[split:]


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
    require_chance(told(statistics(pair, order=False), truth), 1 / 2)
    assert told(statistics(pair, order=True), truth).mean() > 0.95


def network():
    """A small 3D network that tells every motion."""
    torch.manual_seed(0)
    layers = []
    for inside, outside, stride in ((1, 16, (1, 2, 2)), (16, 32, 2), (32, 64, 2)):
        layers += [nn.Conv3d(inside, outside, 3, stride, 1), nn.BatchNorm3d(outside), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(64, len(MOTIONS))
    )


def within_pairs(clips, table, *, shuffled):
    """Who of the last third a network gets right, which has to choose of two directions only.

    Trained on the other two thirds, of all motions; `shuffled`: with frames in random order.
    """
    order, model = torch.Generator().manual_seed(0), network()
    truth = torch.tensor([MOTIONS.index(name) for name in table.motion])
    train, test = torch.arange(len(table)).split([2 * len(table) // 3, len(table) // 3])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

    def seen(rows):
        if not shuffled:
            return clips[rows]
        places = torch.rand(len(rows), FRAMES, generator=order).argsort(1)
        return torch.take_along_dim(clips[rows], places[:, None, :, None, None], dim=2)

    for _ in range(10):
        for batch in torch.randperm(len(train), generator=order).split(64):
            rows = train[batch]
            loss = nn.functional.cross_entropy(model(seen(rows)), truth[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        scores = torch.cat([model.eval()(seen(rows)) for rows in test.split(256)])
    other = truth[test] + 1 - 2 * (truth[test] % 2)  # the two directions stand side by side
    own, others = (scores.gather(1, each[:, None]) for each in (truth[test], other))
    return (own > others).squeeze(1).numpy(), table.motion_axis.iloc[test.tolist()]


def test_a_network_tells_which_of_two_directions_by_order_alone():
    table = plan(3600).sample(frac=1, random_state=0)
    clips = np.stack([render(row, frames=FRAMES, pixels=PIXELS) for _, row in table.iterrows()])
    luma = torch.from_numpy(clips.mean(axis=-1, dtype=np.float32)[:, None]) / 128 - 1
    right, axes = within_pairs(luma, table, shuffled=False)
    for axis in sorted(set(axes)):
        assert right[axes == axis].mean() > 0.8, axis
    right, axes = within_pairs(luma, table, shuffled=True)
    for axis in sorted(set(axes)):
        require_chance(right[axes == axis], 1 / 2)


def test_without_order_the_frames_do_not_tell_which_of_two_directions():
    """Means, spreads, least and greatest values of every pixel: all that shuffling leaves alike."""
    for motions in (("right", "left"), ("sway_right", "sway_left")):
        table = plan(900, motions=motions)
        clips = np.stack([render(row, frames=FRAMES, pixels=PIXELS) for _, row in table.iterrows()])
        luma = clips.mean(axis=-1)
        pictures = [luma.mean(1), luma.std(1), luma.min(1), luma.max(1)]
        features = np.stack(pictures, axis=1).reshape(len(table), -1)
        require_chance(told(features, table.motion.to_numpy()), 1 / 2)


@pytest.mark.parametrize(("factor", "chance"), [("motion", 1 / len(MOTIONS)), ("shape", 1 / 2)])
def test_looks_tell_nothing_of_the_label_but_where_there_is_a_shortcut(factor, chance):
    for striped in (False, True):
        looks = [*LOOKS, "stripes_angle"] if striped else list(LOOKS)
        table = plan(4800, stripes=striped)
        require_chance(told(table[looks].to_numpy(), table[factor].to_numpy()), chance)
    led = plan(4800, stripes=True, shortcut=0.9)
    right = told(led[looks].to_numpy(), led[factor].to_numpy())
    if factor == "motion":
        assert right.mean() > 0.8
    else:
        require_chance(right, chance)
