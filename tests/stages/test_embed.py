from types import MappingProxyType

import numpy as np
import pytest
import torch
from chance import tolerance
from torch import nn

from hdc.data.frame_orders import shuffled_frames
from hdc.data.index import read_index, read_split
from hdc.data.store import ClipStore
from hdc.embed import pooled, video_features
from hdc.evaluation.frozen_features import Judge
from hdc.settings.schema import Clip, Evaluate, Inference

CLIP = Clip(frames=16, stride=1, pixels=24, minimum_distance=0, maximum_distance=None)
ORDERED = ("clockwise", "counterclockwise", "grow", "shrink", "right", "left", "down", "up")


class Encoder(nn.Module):
    """Two levels: the frames' mean, and how far each row and column moved to the next frame."""

    levels = MappingProxyType({"early": 3, "late": 10})

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, clips):
        moving = clips - clips.mean(dim=2, keepdim=True)  # without what stands still
        grey = moving.mean(dim=1)
        found = [
            (grey[:, :-1] * grey[:, 1:].roll((shift * sign), dims=axis)).mean(dim=(1, 2, 3))
            for axis in (2, 3)
            for sign in (1, -1)
            for shift in (1, 2)
        ]
        spread = [grey.var(dim=(1, 2, 3)), (grey[:, 0] * grey[:, -1]).mean(dim=(1, 2))]
        late = torch.stack([*found, *spread], dim=1)[:, :, None, None, None]
        return {"early": clips * self.weight, "late": late}


@pytest.fixture(scope="module")
def prepared(call, root, tmp_path_factory):
    """Videos of motions of which only the order of the frames tells one of a pair."""
    folder = tmp_path_factory.mktemp("ordered") / "synthetic_smoke"
    changes = {
        "shapes": "[bar]", "motions": f"[{','.join(ORDERED)}]", "train_videos": 320,
        "validation_videos": 80, "test_videos": 320, "train_backgrounds": 40,
        "test_backgrounds": 40, "frames": 16, "pixels": 24,
    }  # fmt: skip
    words = [f"data.synthetic.{key}={value}" for key, value in changes.items()]
    words += ["store.short_side=24", "data=synthetic_smoke", "folder=", f"output_dir={folder}"]
    call("hdc.prepare", *words, cwd=root, check=True)
    return folder


def features_of(prepared, clips=1):
    index = read_index(prepared)
    inference = Inference(clips=clips, crop=1.0, batch_size=32)
    store = ClipStore(prepared, index.video.tolist())
    asked = {"clip": CLIP, "inference": inference, "workers": 0}
    return index, store, video_features(Encoder(), store, len(index), **asked)


def test_shuffled_clips_give_chance_within_each_pair_that_only_order_tells_apart(prepared):
    index, _, features = features_of(prepared)
    settings = Evaluate(
        recall_at=[1], neighbours=5, neighbour_temperature=0.07, probe_strengths=[1.0, 100.0],
        probe_iterations=300, few_label_shares=[], few_label_videos=[], few_label_draws=1,
    )  # fmt: skip
    judge = Judge(index, read_split(prepared, 1), settings)
    plain = judge.probes("late", features["late"])["motion_direction"]["within"]
    assert plain["horizontal"] > 0.8 and plain["vertical"] > 0.8  # the features do use order
    for control in ("late.shuffled", "late.still"):
        found = judge.probes(control, features[control])["motion_direction"]
        assert set(found["within"]) == {"horizontal", "vertical", "turn", "size"}
        assert abs(found["accuracy"] - 0.5) < tolerance(0.5, 320)
        for accuracy in found["within"].values():
            assert abs(accuracy - 0.5) < tolerance(0.5, 80)


def test_features_are_means_over_clips_of_every_level_and_its_controls(prepared):
    index, store, features = features_of(prepared, clips=2)
    assert set(features) == {
        "early", "late", "late.spatial_max", "early.still", "late.still", "early.shuffled",
        "late.shuffled",
    }  # fmt: skip
    assert {len(table) for table in features.values()} == {len(index)}
    # The mean over all frames knows no order; a still clip has the mean of its first frame.
    assert np.allclose(features["early"], features["early.shuffled"], atol=1e-5)
    frames = store.clip(7, np.arange(16)).astype(np.float32)
    spread = features["early.still"][7] - features["early"][7]
    plain = (frames[0].mean(axis=(0, 1)) - frames.mean(axis=(0, 1, 2))) / 255
    assert np.sign(spread).tolist() == np.sign(plain).tolist()
    assert np.allclose(spread / plain, (spread / plain)[0], rtol=0.2)  # but for normalization


def test_random_orders_depend_on_video_and_clip_alone(prepared):
    store = ClipStore(prepared)
    together = shuffled_frames(store, [3, 3, 5, 5], 2, 16)
    alone = shuffled_frames(store, [5, 5], 2, 16)
    assert together[2:] == alone
    assert len({tuple(order) for order in together}) == 4
    assert all(sorted(order) == list(range(16)) for order in together)


def test_the_spatial_maximum_by_hand():
    """As VCOP's: squares of 2 x 2, the odd row and column left out; 512 x 2 x 7 x 7 gives 9,216."""
    last = torch.arange(2 * 1 * 2 * 3 * 3, dtype=torch.float32).reshape(2, 1, 2, 3, 3)
    found = dict(pooled({"first": last, "last": last}, ""))
    assert set(found) == {"first", "last", "last.spatial_max"}
    assert found["last.spatial_max"].tolist() == [[4.0, 13.0], [22.0, 31.0]]
    assert dict(pooled({"last": torch.zeros(1, 512, 2, 7, 7)}, ""))["last.spatial_max"].shape == (
        1,
        9216,
    )
    single = torch.tensor([5.0, 6.0]).view(1, 2, 1, 1, 1)
    assert dict(pooled({"last": single}, ""))["last.spatial_max"].tolist() == [[5.0, 6.0]]
