from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
import torch
from chance import tolerance
from torch import nn

from hdc.data.frame_orders import shuffled_frames
from hdc.data.index import read_index, read_split
from hdc.data.store import ClipStore, write_manifest
from hdc.embed import video_features
from hdc.encoders.clip_features import pooled
from hdc.evaluation.frozen_features import Judge
from hdc.evaluation.time_features import TimeEmbedding
from hdc.evaluation.time_probes import time_metrics
from hdc.settings.evaluation import Evaluate, TimeProbes
from hdc.settings.schema import Clip, Inference

CLIP = Clip(frames=16, stride=1, pixels=24, minimum_distance=0, maximum_distance=None)
SETTINGS = Evaluate(
    recall_at=[1], neighbours=5, neighbour_temperature=0.07, probe_strengths=[1.0, 100.0],
    probe_iterations=300, few_label_shares=[], few_label_videos=[], few_label_draws=1,
)  # fmt: skip
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


@pytest.fixture(scope="module")
def one_way(call, root, tmp_path_factory):
    """Videos in which everything moves right or down, so that backward is seen at once."""
    folder = tmp_path_factory.mktemp("one_way") / "synthetic_smoke"
    changes = {
        "shapes": "[bar]", "motions": "[right,down]", "train_videos": 80, "validation_videos": 20,
        "test_videos": 80, "train_backgrounds": 20, "test_backgrounds": 20, "frames": 31,
        "pixels": 24,
    }  # fmt: skip
    words = [f"data.synthetic.{key}={value}" for key, value in changes.items()]
    words += ["store.short_side=24", "data=synthetic_smoke", "folder=", f"output_dir={folder}"]
    call("hdc.prepare", *words, cwd=root, check=True)
    return folder


def test_direction_is_told_where_features_know_motion_and_not_where_they_cannot(one_way):
    index = read_index(one_way)
    store = ClipStore(one_way, index.video.tolist())
    inference, asked = Inference(clips=1, crop=1.0, batch_size=32), TimeProbes(150, [1, 2])
    timed = TimeEmbedding(Encoder(), store, store, CLIP, inference, 0).features(asked)
    plain = video_features(Encoder(), store, len(index), clip=CLIP, inference=inference, workers=0)
    tables = plain | timed.tables[0][1] | timed.tables[1][1]
    judge = Judge(index, read_split(one_way, 1), SETTINGS)
    metrics = time_metrics(judge, tables.get, ["early", "late"], timed.facts)
    found, videos = metrics["time_probes"], metrics["time_videos"]
    assert found["late"]["direction"]["accuracy"] > 0.85
    assert found["late"]["speed"]["accuracy"] > 0.7
    # Frames in another order have the same mean: two equal rows, of which one is right.
    assert found["early"]["direction"]["accuracy"] == found["early"]["order"]["accuracy"] == 0.5
    assert videos["speed"] == videos["direction"] | {
        "strides": [1, 2], "repeated_frames": videos["speed"]["repeated_frames"],
    }  # fmt: skip
    assert videos["speed"]["drawn"] == 150 and videos["speed"]["too_short"] == 0
    assert 50 < videos["speed"]["tested"] < 80  # of 80 videos five in six are drawn


def test_frames_played_otherwise_are_those_of_the_store(one_way):
    """Against each video alone, its frames taken from the store one by one."""

    class Colors(nn.Module):
        """The mean color of every frame, in order."""

        levels = MappingProxyType({"colors": 48})

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, clips):
            return {"colors": clips.mean(dim=(3, 4)).flatten(1)[:, :, None, None, None]}

    store = ClipStore(one_way)
    inference = Inference(clips=2, crop=1.0, batch_size=6)
    timed = TimeEmbedding(Colors(), store, store, CLIP, inference, 0).features(
        TimeProbes(7, [1, 2])
    )
    (usual, reordered), (faster, sped) = timed.tables
    assert usual == faster and len(usual) == 7 and set(reordered) == {
        "colors.reversed", "colors.swapped"
    }  # fmt: skip
    there, swapped = np.arange(16), [*range(8, 16), *range(8)]
    clips = {
        "reversed": (there[::-1], 15 + there[::-1]),
        "swapped": (there[swapped], 15 + there[swapped]),
        "stride1": (7 + there, 7 + there),  # windows of 31 frames: all clips are the middle
        "stride2": (2 * there, 2 * there),
    }
    for name, orders in clips.items():
        table = (reordered | sped)[f"colors.{name}"]
        for place, row in enumerate(usual):
            colors = [store.clip(row, order).mean(axis=(1, 2)).T / 255 for order in orders]
            mean = (np.mean(colors, axis=0) - 0.5) / 0.5
            scale = np.corrcoef(table[place], mean.flatten())[0, 1]
            assert scale > 0.9999, name


def test_static_videos_are_counted(tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 12, 8, 10, 3), np.uint8)
    frames[1] = frames[1, :1]  # static
    frames[2] = np.concatenate([frames[2, :6], frames[2, 5::-1]])  # there and back
    write_store(tmp_path, frames)
    encoder, clip = Encoder(), replace(CLIP, frames=6, pixels=8)
    inference = Inference(clips=1, crop=1.0, batch_size=2)
    store, asked = ClipStore(tmp_path), TimeProbes(9, [1, 2])
    facts = TimeEmbedding(encoder, store, store, clip, inference, 0).features(asked).facts
    assert facts["probes"]["direction"]["alike"] == [1, 2]
    assert facts["probes"]["order"]["alike"] == facts["probes"]["speed"]["alike"] == [1]
    # Of 5 steps a video, all of the static one and the turn in the middle of the other.
    assert facts["probes"]["direction"]["repeated_frames"] == pytest.approx(6 / 20)

    (tmp_path / "other").mkdir()
    write_store(tmp_path / "other", rng.integers(0, 256, frames.shape, np.uint8))
    other = ClipStore(tmp_path / "other")  # as optical flow, which is not what a video looks like
    embedding = TimeEmbedding(encoder, other, store, clip, inference, 0)
    assert embedding.features(asked).facts == facts


def write_store(folder, frames):
    """A store of raw videos (video, time, height, width, 3)."""
    (folder / "all.bin").write_bytes(frames.tobytes())
    size = frames[0].nbytes
    videos = [
        {"video": f"{row}.avi", "shard": 0, "offset": row * size, "bytes": size, "crc32": 0,
         "shape": list(frames.shape[1:4])}
        for row in range(len(frames))
    ]  # fmt: skip
    shards = [{"file": "all.bin", "bytes": frames.nbytes}]
    form = {"form": "raw", "short_side": 8, "key_frame_every": 1}
    write_manifest(folder, **form, shards=shards, videos=videos)


def test_shuffled_clips_give_chance_within_each_pair_that_only_order_tells_apart(prepared):
    index, _, features = features_of(prepared)
    judge = Judge(index, read_split(prepared, 1), SETTINGS)
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
