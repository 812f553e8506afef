import json
import shutil

import numpy as np
import pytest

from hdc.data import h264
from hdc.data.store import MANIFEST, ClipStore, write_manifest
from hdc.runtime.errors import InputError
from hdc.runtime.sealed import write_sealed


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return {f"v{i}": rng.integers(0, 256, (9 + i, 4, 5 + i, 3), np.uint8) for i in range(3)}


@pytest.fixture
def store(tmp_path, clips, prepare_settings):
    """Write a store: v0 and v1 in one file, v2 in another."""

    def write(form="raw"):
        settings = prepare_settings().store
        videos, packed = [], [b"", b""]
        for number, (name, frames) in enumerate(clips.items()):
            shard = number // 2
            blob = frames.tobytes() if form == "raw" else h264.pack(frames, settings)
            place = {"offset": len(packed[shard]), "bytes": len(blob), "shape": frames.shape[:3]}
            videos.append({"video": name, "shard": shard} | place)
            packed[shard] += blob
        for number, blob in enumerate(packed):
            (tmp_path / f"{number}.bin").write_bytes(blob)
        write_manifest(
            tmp_path,
            form=form,
            short_side=4,
            key_frame_every=8,
            shards=[{"file": f"{n}.bin", "bytes": len(blob)} for n, blob in enumerate(packed)],
            videos=videos,
        )
        return tmp_path

    return write


def test_raw_gives_back_the_frames(store, clips):
    opened = ClipStore(store())
    assert len(opened) == 3
    for row, (name, frames) in enumerate(clips.items()):
        assert opened.video(row) == name and opened.shape(row) == frames.shape[:3]
        numbers = np.array([0, 2, 4, 1, 1])
        clip = opened.clip(row, numbers)
        assert np.array_equal(clip, frames[numbers])
        clip += 1  # a copy: the store is not written to
        assert np.array_equal(opened.clip(row, numbers), frames[numbers])


def test_h264_gives_back_what_it_packed(store, clips, prepare_settings):
    opened = ClipStore(store("h264"))
    for row, frames in enumerate(clips.values()):
        packed = np.frombuffer(h264.pack(frames, prepare_settings().store), np.uint8)
        numbers = np.array([8, 0, 3])
        expected = h264.unpack(packed, numbers, shape=frames.shape[:3], key_frame_every=8)
        assert opened.shape(row) == frames.shape[:3]
        assert np.array_equal(opened.clip(row, numbers), expected)


def test_refuses_no_store(tmp_path):
    with pytest.raises(InputError, match=r"expected a file, found none; run hdc\.prepare first"):
        ClipStore(tmp_path)


def test_refuses_another_version(store):
    folder = store()
    manifest = json.loads((folder / MANIFEST).read_text()) | {"version": 1}
    del manifest["checksum"]
    write_sealed(folder / MANIFEST, manifest)
    with pytest.raises(InputError, match=r"expected version 2, found 1; run python -m hdc\.prep"):
        ClipStore(folder)


def test_refuses_frames_that_are_cut_short_or_gone(store):
    path = store() / "1.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"1\.bin: expected \d+ bytes, found \d+"):
        ClipStore(path.parent)
    path.unlink()
    with pytest.raises(InputError, match=r"1\.bin: expected \d+ bytes, found no file"):
        ClipStore(path.parent)


def changed(folder, edit):
    """The manifest with a number in it changed, as a flipped bit or a slip of the hand would."""
    text = (folder / MANIFEST).read_text()
    assert edit(text) != text
    return edit(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace('"offset": 0', '"offset": 1', 1), "its checksum differs"),
        (lambda text: text.replace('"checksum": "', '"checksum": "0', 1), "its checksum differs"),
        (lambda text: text[: len(text) // 2], "expected JSON, found damage"),
        (lambda text: "[1, 2]", "expected JSON of an object, found a list"),
        (lambda text: "", "expected JSON, found damage"),
        (lambda text: '{"version": 2}', "expected form, shards and videos, found version"),
    ],
)
def test_refuses_a_damaged_manifest_and_says_what_to_do(store, damage, message):
    folder = store()
    (folder / MANIFEST).write_text(changed(folder, damage))
    with pytest.raises(InputError, match=message) as caught:
        ClipStore(folder)
    assert f"{folder / MANIFEST}: " in str(caught.value)
    assert f"run python -m hdc.prepare data={folder.name} " in str(caught.value)


def test_reads_what_an_older_version_wrote_without_checksums(store, clips):
    folder = store()
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["checksum"], manifest["lists"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert np.array_equal(ClipStore(folder).clip(1, np.array([3])), clips["v1"][[3]])


def test_refuses_a_list_that_is_not_as_it_was_written(tiny, tmp_path):
    """A label changed, a file gone: nothing that reading alone would notice."""
    folder = shutil.copytree(tiny, tmp_path / "copy")
    rejected = folder / "rejected.csv"
    rejected.write_text("video,reason\n00.avi,lost\n")
    with pytest.raises(InputError, match=r"rejected\.csv: expected the file as hdc\.prepare wrote"):
        ClipStore(folder)
    rejected.unlink()
    with pytest.raises(InputError, match=r"rejected\.csv: expected a file, found none; run python"):
        ClipStore(folder)


@pytest.mark.parametrize(("form", "readers"), [("raw", 2), ("h264", 4)])
def test_how_many_threads_read_follows_the_form_unless_it_is_said(tmp_path, form, readers):
    write_manifest(tmp_path, form=form, short_side=8, key_frame_every=4, shards=[], videos=[])
    store = ClipStore(tmp_path)
    assert store.readers(None) == readers
    assert store.readers(0) == 0 and store.readers(7) == 7
