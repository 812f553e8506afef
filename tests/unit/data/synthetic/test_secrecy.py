"""No single frame tells the motion; the order of frames does."""

from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
import torch
from chance import require_chance
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import nn

from hdc.data.synthetic.videos import MOTIONS, plan_videos, render, state_at, write_videos

VIDEOS, FRAME, PIXELS = 10_000, 2, 32


def plan(videos, frames):
    return plan_videos(
        shapes=["bar", "star"], motions=list(MOTIONS), train_videos=videos, validation_videos=24,
        test_videos=24, train_backgrounds=200, test_backgrounds=8, frames=frames, pixels=PIXELS,
        appearance_change=1.0, stripes=False, shortcut=0.0, test_shortcut="none", seed=0,
    )[:videos]  # fmt: skip


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """One decoded frame of each video, with its plan."""
    folder = tmp_path_factory.mktemp("frames")
    table = plan(VIDEOS, frames=FRAME + 1)
    sizes = {"frames": FRAME + 1, "pixels": PIXELS}
    write_videos(table, folder, **sizes, frames_per_second=25, workers=2)

    def last_frame(video):
        with av.open(str(folder / video)) as container:
            *_, last = container.decode(video=0)
            return last.to_ndarray(format="rgb24")

    with ThreadPoolExecutor(2) as pool:
        return table, np.stack(list(pool.map(last_frame, table.video)))


def test_the_true_state_of_one_frame_does_not_tell_the_motion():
    table = plan(2 * VIDEOS, frames=30)
    state = state_at(table, np.arange(len(table)) % 30)
    features = np.stack([np.asarray(state[name]) for name in state], axis=1)
    motion = table.motion.to_numpy()
    trees = HistGradientBoostingClassifier(max_iter=50, random_state=0)
    trees.fit(features[:VIDEOS], motion[:VIDEOS])
    require_chance(trees.predict(features[VIDEOS:]) == motion[VIDEOS:], 1 / len(MOTIONS))


def predicted(pictures, targets, train, test):
    """What a small 2D network, trained on some pictures, says of others."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, int(targets.max()) + 1),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(4):
        for rows in torch.randperm(len(train)).split(64):
            chosen = train[rows]
            loss = nn.functional.cross_entropy(network(pictures[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return torch.cat([network.eval()(pictures[rows]).argmax(1) for rows in test.split(500)])


def test_one_decoded_frame_does_not_tell_the_motion_but_does_tell_the_shape(frames):
    table, decoded = frames
    pictures = torch.from_numpy(decoded).permute(0, 3, 1, 2).float() / 255 - 0.5
    order = torch.from_numpy(np.random.default_rng(0).permutation(VIDEOS))
    train, test = order.chunk(2)
    right = {}
    for factor in ("motion", "shape"):
        names = sorted(table[factor].unique())
        targets = torch.tensor([names.index(name) for name in table[factor]])
        right[factor] = (predicted(pictures, targets, train, test) == targets[test]).numpy()
    require_chance(right["motion"], 1 / len(MOTIONS))
    assert right["shape"].mean() > 0.7  # the same network sees what is there to be seen


def flow_features(clip):
    """How the change from frame to frame goes with moving, turning and growing."""
    luma = clip.astype(np.float64).mean(axis=-1)
    change = np.diff(luma, axis=0)
    middle = (luma[1:] + luma[:-1]) / 2
    down, right = np.gradient(middle, axis=(1, 2))
    places = np.arange(luma.shape[1])
    weight = np.abs(change)
    total = weight.sum(axis=(1, 2), keepdims=True)
    x = places - (weight * places).sum(axis=(1, 2), keepdims=True) / total
    y = places[:, None] - (weight * places[:, None]).sum(axis=(1, 2), keepdims=True) / total
    patterns = (right, down, x * down - y * right, x * right + y * down)
    return [-(change * pattern).sum() / np.abs(change * pattern).sum() for pattern in patterns]


def test_a_hand_made_motion_feature_tells_the_motion():
    table = plan(1600, frames=8)
    features = [
        flow_features(render(row, frames=8, pixels=PIXELS)) for row in table.to_dict("records")
    ]
    trees = HistGradientBoostingClassifier(max_iter=100, random_state=0)
    motion = table.motion.to_numpy()
    trees.fit(features[:800], motion[:800])
    # Chance is 1/12; in 8 frames an orbit looks much like a translation.
    assert np.mean(trees.predict(features[800:]) == motion[800:]) > 0.5
