import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from hdc.data.index import read_split
from hdc.evaluation.leakage import require_apart, require_unseen
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError


@pytest.fixture
def index():
    videos = [f"{number}.avi" for number in range(6)]
    return pd.DataFrame({"video": videos, "sha256": [f"file {number}" for number in range(6)]})


@pytest.fixture
def split(index):
    parts = ["train", "train", "train", "val", "test", "test"]
    return pd.DataFrame({"video": index.video, "part": parts})


@pytest.fixture
def encoder(index, tmp_path):
    """Write an encoder that saw some rows of the index; its path."""

    def make(*rows, **facts):
        text = index.iloc[list(rows)].to_csv(index=False)
        (tmp_path / "videos.csv").write_text(text)
        facts = {"build": {}, "videos": digest(text)} | facts
        save_file({"weight": np.zeros(1)}, tmp_path / "encoder.safetensors",
                  {"hdc": json.dumps(facts)})  # fmt: skip
        return tmp_path / "encoder.safetensors"

    return make


def test_an_encoder_that_saw_no_test_video(encoder, index, split):
    assert require_unseen(encoder(0, 1, 2, 3), index, split, allow=False) == {}


def test_an_encoder_that_saw_test_videos_is_refused_or_marked(encoder, index, split):
    path = encoder(0, 4, 5)
    with pytest.raises(InputError, match=r"found 2 of 2 in .*videos\.csv, such as 4\.avi, 5\.avi"):
        require_unseen(path, index, split, allow=False)
    assert require_unseen(path, index, split, allow=True) == {"pretrained_on_test_videos": 2}


def test_a_copy_under_another_name_is_seen_all_the_same(encoder, index, split):
    path = encoder(4)
    renamed = index.assign(video=[f"other {video}" for video in index.video])
    elsewhere = split.assign(video=renamed.video)
    with pytest.raises(InputError, match=r"found 1 of 2 .* such as other 4\.avi"):
        require_unseen(path, renamed, elsewhere, allow=False)


def test_a_list_that_is_not_the_encoders_is_refused(encoder, index, split, tmp_path):
    path = encoder(0, 4)
    index.iloc[[0]].to_csv(tmp_path / "videos.csv", index=False)  # to hide the leak
    with pytest.raises(InputError, match=r"expected the list of videos that .* was made from"):
        require_unseen(path, index, split, allow=False)


def test_an_encoder_whose_videos_nobody_knows_is_marked(encoder, index, split):
    path = encoder(videos_known=False, pretrained_on="Kinetics-400")
    found = require_unseen(path, index, split, allow=False)
    assert found == {"pretraining_videos_unknown": "Kinetics-400"}


def test_no_encoder(index, split, tmp_path):
    (tmp_path / "videos.csv").write_text("video,sha256\n")
    with pytest.raises(InputError, match="expected an encoder, found none"):
        require_unseen(tmp_path / "encoder.safetensors", index, split, allow=False)


def test_the_same_file_in_two_parts_is_refused_with_the_names(index, split):
    assert require_apart(index, split, allow=False) == {}
    copied = index.assign(sha256=["a", "b", "c", "d", "b", "f"])
    with pytest.raises(InputError, match=r"such as 1\.avi \(train\), 4\.avi \(test\)"):
        require_apart(copied, split, allow=False)
    found = require_apart(copied, split, allow=True)
    assert found == {"test_videos_with_copies_in_training": 1}


def test_copies_within_a_part_leak_nothing(index, split):
    assert (
        require_apart(index.assign(sha256=["a", "a", "a", "d", "e", "e"]), split, allow=False) == {}
    )


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_group_in_two_parts_is_refused(tiny, tmp_path, part):
    """Asserted wherever a split is read."""
    for path in tiny.glob("*.csv"):
        (tmp_path / path.name).write_text(path.read_text())
    listed = pd.read_csv(tmp_path / "listed.csv")
    parts = pd.read_csv(tmp_path / "split1.csv")
    names = {one: parts.video[parts.part == one].iloc[0] for one in (part, "test")}
    groups = listed.set_index("video").group
    listed.loc[listed.video == names["test"], "group"] = groups[names[part]]
    listed.to_csv(tmp_path / "listed.csv", index=False)
    with pytest.raises(InputError, match=f"found {groups[names[part]]} in several"):
        read_split(tmp_path, 1)
