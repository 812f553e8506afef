import json

import numpy as np
import pytest

from hdc.atomic import open_atomically
from hdc.data.store import MANIFEST, ClipStore, StoreWriter, frames_path
from hdc.errors import InputError


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return {f"v{i}": rng.integers(0, 256, (3 + i, 4, 5 + i, 3), np.uint8) for i in range(3)}


@pytest.fixture
def store(tmp_path, clips):
    with open_atomically(frames_path(tmp_path)) as file:
        writer = StoreWriter(tmp_path, file, short_side=4)
        for name, frames in clips.items():
            writer.add(name, frames)
    writer.finish()
    return tmp_path


def test_gives_back_the_frames(store, clips):
    opened = ClipStore(store)
    assert len(opened) == 3
    for row, (name, frames) in enumerate(clips.items()):
        assert opened.videos[row]["video"] == name
        assert np.array_equal(opened.frames(row), frames)


def test_refuses_no_store(tmp_path):
    with pytest.raises(InputError, match=r"expected a file, found none; run hdc\.prepare first"):
        ClipStore(tmp_path)


def test_refuses_another_version(store):
    manifest = json.loads((store / MANIFEST).read_text()) | {"version": 0}
    (store / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="expected version 1, found 0"):
        ClipStore(store)


def test_refuses_frames_that_are_cut_short(store):
    path = frames_path(store)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"expected \d+ bytes, found"):
        ClipStore(store)
