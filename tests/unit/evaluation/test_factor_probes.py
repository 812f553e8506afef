import numpy as np
import pytest
from chance import require_chance

from hdc.evaluation.factor_probes import classify_held_out, classify_left_out, classify_within
from hdc.evaluation.linear_probes import classify_once

SETTINGS = {"strengths": [1.0], "iterations": 300}
SHAPES, MOTIONS = (
    np.array(["bar", "square", "star", "cross"]),
    np.array(["up", "down", "in", "out"]),
)


@pytest.fixture
def videos():
    """Shape and motion of 480 videos by part, each pair equally often."""
    pairs = np.array([(shape, motion) for shape in SHAPES for motion in MOTIONS] * 30)
    rows = {"train": pairs[:240], "val": pairs[240:320], "test": pairs[320:]}
    shapes = {part: each[:, 0] for part, each in rows.items()}
    return shapes, {part: each[:, 1] for part, each in rows.items()}


def one_hot(values, names):
    return (np.asarray(values)[:, None] == names).astype(np.float32)


def apart(shapes, motions):
    """Features that hold shape and motion in columns of their own."""
    return {
        part: np.hstack([one_hot(shapes[part], SHAPES), one_hot(motions[part], MOTIONS)])
        for part in shapes
    }


def tangled(shapes, motions):
    """Features that hold nothing but the pair."""
    names = np.array([f"{shape} {motion}" for shape in SHAPES for motion in MOTIONS])
    return {
        part: one_hot([f"{a} {b}" for a, b in zip(shapes[part], motions[part], strict=True)], names)
        for part in shapes
    }


def test_an_entangled_factor_is_not_read_where_a_value_of_the_other_was_left_out(videos):
    shapes, motions = videos
    axes = {part: np.where(np.isin(each, ["up", "down"]), "y", "size") for part, each in
            motions.items()}  # fmt: skip
    for truth, groups in ((shapes, axes), (motions, shapes)):
        for features, unseen in ((apart(*videos), 1.0), (tangled(*videos), 0.25)):  # guessing
            right = classify_left_out(features, truth, groups, strength=1.0, iterations=300)
            assert right["seen"].all()
            assert abs(right["unseen"].mean() - unseen) < 0.01


def noisy_videos(random):
    """Ten motions of five axes and four shapes; motion read well, shape badly, yet far apart."""
    pairs = np.array([(shape, motion) for shape in range(4) for motion in range(10)] * 60)
    random.shuffle(pairs)
    shapes, motions = pairs.T
    table = np.hstack([1.0 * np.eye(4)[shapes], 4 * np.eye(10)[motions]])
    table += random.standard_normal(table.shape)
    rows = {"train": slice(0, 1200), "val": slice(1200, 1600), "test": slice(1600, None)}
    return (
        {part: each[where] for part, where in rows.items()} for each in (table, shapes, motions)
    )


def test_a_factor_that_is_kept_apart_is_read_as_well_where_the_other_was_left_out():
    """A half of the pairs, taken like the white fields of a chessboard, tells shape by motion."""
    features, shapes, motions = noisy_videos(np.random.default_rng(0))
    axes = {part: each // 2 for part, each in motions.items()}
    right = classify_left_out(features, shapes, axes, strength=0.01, iterations=300)
    assert right["seen"].mean() > 0.4  # chance is 0.25
    error = np.sqrt(0.25 / len(right["seen"]))
    assert abs(right["seen"].mean() - right["unseen"].mean()) < 3 * error
    white = {part: (shapes[part] + motions[part]) % 2 == 0 for part in shapes}
    predicted = classify_once(
        features["train"][white["train"]], shapes["train"][white["train"]], features["test"],
        strength=0.01, iterations=300,
    )  # fmt: skip
    judged = predicted == shapes["test"]
    print(
        right["seen"].mean(),
        right["unseen"].mean(),
        judged[white["test"]].mean(),
        judged[~white["test"]].mean(),
    )
    assert judged[~white["test"]].mean() < 0.2 < 0.4 < judged[white["test"]].mean()


def test_probes_within_another_factor(videos):
    """The direction is told by one column for one axis and by its negative for the other."""
    random = np.random.default_rng(0)
    axes = {part: random.choice(["x", "y"], len(each)) for part, each in videos[0].items()}
    ways = {part: random.choice(["forward", "backward"], len(axes[part])) for part in axes}
    features = {}
    for part in axes:
        sign = np.where(ways[part] == "forward", 1, -1) * np.where(axes[part] == "x", 1, -1)
        noise = random.standard_normal((len(sign), 3))
        features[part] = np.hstack([sign[:, None], noise]).astype(np.float32)
    predicted, by_axis = classify_within(features, ways, axes, **SETTINGS)
    assert (predicted == ways["test"]).all()
    assert by_axis == {"x": 1.0, "y": 1.0}
    features = {part: table[:, 1:] for part, table in features.items()}  # nothing but noise
    predicted, _ = classify_within(features, ways, axes, **SETTINGS)
    require_chance(predicted == ways["test"], 1 / 2)


def test_a_value_that_was_never_trained_on_is_wrong(videos):
    axes = {part: np.full(len(each), "x") for part, each in videos[0].items()}
    axes["test"][:5] = "y"
    predicted, by_axis = classify_within(apart(*videos), videos[1], axes, **SETTINGS)
    assert predicted[:5].tolist() == [None] * 5 and list(by_axis) == ["x"]


def test_held_out_videos_of_the_training_part(videos):
    shapes, motions = videos
    features = apart(shapes, motions)["train"]
    found = classify_held_out(features, shapes["train"], **SETTINGS)
    assert found["accuracy"] == 1.0 and found["chance"] == pytest.approx(0.25, abs=0.02)
    assert classify_held_out(features[:4], np.array(list("aabb")), **SETTINGS) == {}
    constant = np.zeros_like(features)
    found = classify_held_out(constant, shapes["train"], **SETTINGS)
    assert found["accuracy"] < 0.4
