import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from hdc.data.batches import VideoBatches
from hdc.data.draws import Draw
from hdc.data.index import read_index
from hdc.data.store import ClipStore
from hdc.data.synthetic.rendering import render
from hdc.data.synthetic.videos import plan_videos, state_at
from hdc.objectives.shortcuts import (
    mean_images,
    motion_in_view,
    place_in_view,
    share_found,
    shortcuts,
)
from hdc.settings.objective import View
from hdc.settings.schema import Augment, Clip

PIXELS = 64
CPU = torch.device("cpu")
WHOLE = Draw(0, 0, PIXELS, PIXELS)
AUGMENT = Augment(
    crop_area=[0.4, 1.0], crop_aspect=[1.0, 1.0], flip=0.0, jitter=0.0, brightness=0.0,
    contrast=0.0, saturation=0.0, hue=0.0, greyscale=0.0, blur=0.0, blur_sigma=[0.01, 0.01],
    noise=0.0,
)  # fmt: skip
VIEWS = {"a": View(1, "a"), "b": View(1, "b"), "c": View(2, "c")}
PAIRS = {"spatial": [["a", "b"]], "temporal": [["a", "c"]]}


@pytest.fixture(scope="module")
def plan():
    return plan_videos(
        shapes=["square"], motions=["right", "clockwise", "orbit_clockwise"], train_videos=12,
        validation_videos=3, test_videos=3, train_backgrounds=2, test_backgrounds=1, frames=40,
        pixels=PIXELS, appearance_change=0.0, stripes=False, shortcut=0.0, test_shortcut="none",
        seed=0,
    )  # fmt: skip


def test_the_share_is_that_of_an_independent_search():
    random = np.random.default_rng(0)
    queries = random.normal(size=(50, 6)) * [1, 10, 100, 1, 1, 1]
    others = queries + random.normal(size=(50, 6)) * [0.5, 5, 50, 0.5, 0.5, 0.5]
    scale = np.concatenate([queries, others]).std(axis=0)
    search = NearestNeighbors(n_neighbors=1).fit(others / scale)
    nearest = search.kneighbors(queries / scale, return_distance=False)[:, 0]
    share = np.mean(nearest == np.arange(50))
    assert 0.3 < share < 1
    assert share_found(queries, others) == pytest.approx(share)


def test_ties_are_shared():
    same = np.zeros((8, 3))
    assert share_found(same, same) == pytest.approx(1 / 8)
    pairs = np.repeat(np.arange(4.0), 2)[:, None]
    assert share_found(pairs, pairs) == pytest.approx(1 / 2)


def test_the_state_is_what_the_picture_shows(plan):
    """The shape's place in a crop is the mean place of its pixels there."""
    crop = Draw(6, 10, 48, 40)
    found = []
    for row in plan.to_dict("records"):
        one = render(row, frames=20, pixels=PIXELS)[19].astype(float)
        other = render(row | {"size": 0.01}, frames=20, pixels=PIXELS)[19]
        state = state_at(row, 19)
        seen = (one - other).sum(axis=2) > 90  # the shape is lighter than any background
        y, x = np.nonzero(seen)
        place = np.array([(x.mean() + 0.5 - crop.left) / 40, (y.mean() + 0.5 - crop.top) / 48])
        expected = place_in_view(row["size"], state, crop, (PIXELS, PIXELS))[:2]
        edges = seen[[0, -1]].any() or seen[:, [0, -1]].any()
        fading = any(abs(state[part] - 0.5) < 0.07 for part in ("phase_x", "phase_y", "phase_size"))
        if not (edges or fading):
            found.append(np.abs(place - expected).max())
    assert len(found) >= 4
    assert np.median(found) < 0.01
    assert max(found) < 0.1


def test_a_flip_mirrors_place_and_motion(plan):
    frame = (PIXELS, PIXELS)
    for row in plan.iloc[:3].to_dict("records"):
        flipped = Draw(0, 0, PIXELS, PIXELS, flip=True)
        state = state_at(row, 3)
        x, y, size, cosine, sine = place_in_view(0.5, state, WHOLE, frame)
        mirror = [1 - x, y, size, cosine, -sine]
        assert np.allclose(place_in_view(0.5, state, flipped, frame), mirror)
        straight, mirrored = (motion_in_view(row, draw, frame) for draw in (WHOLE, flipped))
        assert straight.any()
        assert np.array_equal(straight, -mirrored)


def test_mean_images_are_means_of_blocks():
    clips = torch.randn(2, 3, 5, 8, 8)
    blocks = clips.numpy().reshape(2, 3, 5, 4, 2, 4, 2).mean(axis=(2, 4, 6))
    assert np.allclose(mean_images(clips), blocks.reshape(2, -1), atol=1e-6)


def test_of_synthetic_videos_motion_is_kept_by_both_contrasts_and_phase_by_one(tiny):
    index = read_index(tiny)
    clip = Clip(frames=8, stride=1, pixels=16, minimum_distance=8, maximum_distance=None)
    made = VideoBatches(
        ClipStore(tiny), range(len(index)), clip=clip, augment=AUGMENT, batch_size=24, seed=0
    )
    found = shortcuts(made, PAIRS, VIEWS, index, device=CPU)
    assert found["spatial"]["videos"] == 24
    assert found["spatial"]["phase"] == 1
    assert found["spatial"]["place"] > found["temporal"]["place"]
    assert found["spatial"]["appearance"] >= found["temporal"]["appearance"]
    assert min(found[task]["motion"] for task in PAIRS) > 3 / 24
    assert found["temporal"]["phase"] < 3 / 24
    unknown = shortcuts(made, PAIRS, VIEWS, index.drop(columns="speed"), device=CPU)
    assert set(unknown["spatial"]) == {"videos", "appearance"}
    one = {"temporal": PAIRS["temporal"]}
    assert set(shortcuts(made, one, VIEWS, index, device=CPU)["spatial"].values()) == {None}
