"""Recordings that are cut into videos, and videos of one rate: from the folder to the store."""

import shutil

import numpy as np
import pandas as pd
import pytest

from hdc.data.index import read_index, read_split
from hdc.data.integrity import verify
from hdc.data.preparation import entries
from hdc.data.preparation.changes import changed_since
from hdc.data.preparation.decode import decode_video
from hdc.data.preparation.journal import Journal
from hdc.data.preparation.shards import Decoder
from hdc.data.preparation.sources import list_videos, look_up
from hdc.data.store import ClipStore
from hdc.prepare import STAGE, main
from hdc.runtime.errors import InputError

SEGMENTS = """video,start,end,label,annotator
ann.mp4,0,1.2,run,me
ann.mp4,1,2,walk,me
bob.mp4,0.4,1.2,run,me
bob.mp4,2,2.4,walk,me
cas.mp4,0,2,run,you
cas.mp4,2,9,walk,you
cas.mp4,7,9,walk,you
"""
BY_LIST = (
    r"data.folder.pattern='(?P<group>[a-z]+)\.mp4'",
    "data.folder.segments=pieces.csv",
    "data.folder.folds=3",
)
EVENLY = (
    r"data.folder.pattern='.*\.mp4'",
    "data.folder.segment_seconds=0.9",
    "data.folder.folds=0",
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory, make_video, moving_square):
    """Three of three seconds, and a list of pieces."""
    folder = tmp_path_factory.mktemp("recordings")
    for seed, name in enumerate(("ann", "bob", "cas")):
        path = folder / f"{name}.mp4"
        make_video(path, moving_square(75, seed=seed), codec="libx264", b_frames=2)
    (folder / "pieces.csv").write_text(SEGMENTS)
    return folder


@pytest.fixture
def prepare(tmp_path, root, monkeypatch, capsys):
    """Prepare in this process; what was printed, and the folder."""
    monkeypatch.chdir(root)

    def run(folder, *words, output="out"):
        output = tmp_path / output
        words = ["data=weizmann", f"folder={folder}", f"output_dir={output}", *words]
        main(STAGE.read([*words, "store.short_side=24"]))
        return capsys.readouterr().out, output

    return run


@pytest.fixture
def plain(recordings, prepare_settings):
    """All frames of a recording."""
    decoding = prepare_settings().decoding
    return lambda name: decode_video(recordings / name, decoding, short_side=24).frames


@pytest.fixture
def asked(monkeypatch):
    """The files that are decoded from here on."""
    names, pack = [], Decoder.pack

    def noted(decoder, path, cut):
        names.append(path.rsplit("/", 1)[-1])
        return pack(decoder, path, cut)

    monkeypatch.setattr(Decoder, "pack", noted)
    return names


def test_listed_pieces_are_the_videos(recordings, prepare, plain, asked):
    said, output = prepare(recordings, *BY_LIST)
    assert sorted(asked) == ["ann.mp4", "bob.mp4", "cas.mp4"]  # each once, for all its pieces
    index = read_index(output)
    assert index.video.tolist() == [
        "ann.mp4#0-1.2", "ann.mp4#1-2", "bob.mp4#0.4-1.2", "bob.mp4#2-2.4", "cas.mp4#0-2",
        "cas.mp4#2-9",
    ]  # fmt: skip
    assert index.label.tolist() == ["run", "walk"] * 3
    assert index.group.tolist() == ["ann", "ann", "bob", "bob", "cas", "cas"]
    assert index.frames.tolist() == [30, 25, 20, 10, 50, 25]
    assert index.seconds.tolist() == [1.2, 1.0, 0.8, 0.4, 2.0, 1.0]
    assert "annotator" not in index
    rejected = pd.read_csv(output / "rejected.csv")
    reason = "no frame: the recording has none in this span"
    assert rejected.values.tolist() == [["cas.mp4#7-9", reason]]
    store = ClipStore(output, index.video.tolist())
    for row, (name, first) in enumerate(
        [("ann", 0), ("ann", 25), ("bob", 10), ("bob", 50), ("cas", 0), ("cas", 50)]
    ):
        count = store.shape(row)[0]
        frames = plain(f"{name}.mp4")[first : first + count]
        assert np.array_equal(store.clip(row, np.arange(count)), frames)
    assert verify(output)
    split = read_split(output, 2)
    assert len(split) == 7 and split.groupby("group").part.nunique().max() == 1
    assert "prepared 6 videos, rejected 1, missing 0" in said


def test_equal_pieces_make_up_the_recording(recordings, prepare, plain):
    _, output = prepare(recordings, *EVENLY)
    index = read_index(output)
    assert index.video.tolist()[:3] == ["ann.mp4#0-1", "ann.mp4#1-2", "ann.mp4#2-3"]
    assert len(index) == 9 and set(index.label) == {"unlabelled"}
    assert set(index.group) == {"ann.mp4", "bob.mp4", "cas.mp4"}
    assert pd.read_csv(output / "listed.csv").video.tolist() == index.video.tolist()
    assert not (output / "split1.csv").exists()
    store = ClipStore(output, index.video.tolist())
    clips = [store.clip(row, np.arange(store.shape(row)[0])) for row in (3, 4, 5)]
    assert np.array_equal(np.concatenate(clips), plain("bob.mp4"))


def test_equal_pieces_of_labelled_recordings_share_a_part(recordings, prepare, tmp_path):
    for label in ("run", "walk"):
        shutil.copytree(recordings, tmp_path / "videos" / label)
    pattern = r"data.folder.pattern='(?P<label>[a-z]+)/(?P<group>[a-z]+)\.mp4'"
    words = (pattern, "data.folder.segment_seconds=1", "data.folder.folds=3")
    _, output = prepare(tmp_path / "videos", *words)
    for number in (1, 2, 3):
        split = read_split(output, number)
        assert len(split) == 18 and split.part.value_counts().to_dict() == dict.fromkeys(
            ("train", "val", "test"), 6
        )


@pytest.mark.parametrize("words", [BY_LIST, EVENLY], ids=["list", "evenly"])
@pytest.mark.parametrize("form", ["raw", "h264"])
def test_stopped_it_ends_with_the_same_bytes(recordings, prepare, asked, monkeypatch, words, form):
    """Before the last of three files is noted, its bytes already written."""
    words = (*words, f"store.form={form}")
    _, whole = prepare(recordings, *words, output="whole")
    add = Journal.add

    def stop(journal, entry):
        if len(journal.entries) == 2:
            raise KeyboardInterrupt
        add(journal, entry)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", stop)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            prepare(recordings, *words)
    asked.clear()
    _, output = prepare(recordings, *words)
    assert asked == ["cas.mp4"]
    for name in ("index.csv", "listed.csv", "rejected.csv", "shards/0001-of-0001.bin"):
        assert (output / name).read_bytes() == (whole / name).read_bytes()
    assert (output / "store.json").read_bytes() == (whole / "store.json").read_bytes()


def test_an_edited_list_costs_the_recordings_that_it_changes(
    recordings, prepare, prepare_settings, asked, tmp_path
):
    folder = tmp_path / "videos"
    shutil.copytree(recordings, folder)
    _, output = prepare(folder, *BY_LIST, "data.folder.folds=0")
    data = prepare_settings().data
    data.folder.pattern, data.folder.segments = r"(?P<group>[a-z]+)\.mp4", "pieces.csv"
    data.folder.folds = 0
    assert changed_since(list_videos(data, folder), output) == {}
    edited = SEGMENTS.replace("bob.mp4,2,2.4", "bob.mp4,2,2.6").replace("0,1.2,run", "0,1.2,walk")
    (folder / "pieces.csv").write_text(edited.replace("2,9,walk", "2,9,run"))
    assert changed_since(list_videos(data, folder), output) == {
        "ann.mp4#0-1.2": "another label or group",
        "bob.mp4#2-2.4": "gone",
        "bob.mp4#2-2.6": "new",
        "cas.mp4#2-9": "another label or group",
    }
    asked.clear()
    prepare(folder, *BY_LIST, "data.folder.folds=0")
    assert asked == ["bob.mp4"]
    labels = read_index(output).set_index("video").label
    assert labels["ann.mp4#0-1.2"] == "walk" and "bob.mp4#2-2.6" in labels
    shutil.rmtree(folder)  # originals are not needed any more
    again = look_up(data, folder, output, allow_missing=False)
    assert len(again.videos) == 7 and len(again.files) == 3


def test_a_recording_that_is_damaged_or_not_there(recordings, prepare, tmp_path):
    folder = tmp_path / "videos"
    shutil.copytree(recordings, folder)
    content = (folder / "bob.mp4").read_bytes()
    (folder / "bob.mp4").write_bytes(content[: len(content) // 2])
    (folder / "ann.mp4").unlink()
    with pytest.raises(InputError, match=r"expected 7 listed videos, found 2 .*pieces\.csv names"):
        prepare(folder, *BY_LIST)
    said, output = prepare(folder, *BY_LIST, "allow_missing=true")
    assert "prepared 2 videos, rejected 3, missing 2" in said
    rejected = pd.read_csv(output / "rejected.csv").set_index("video").reason
    assert rejected["ann.mp4#1-2"].startswith("missing: ")
    assert rejected["bob.mp4#2-2.4"].startswith("cannot be opened as ")
    _, output = prepare(folder, *EVENLY, output="evenly")  # as a whole, under its own name
    assert pd.read_csv(output / "rejected.csv").video.tolist() == ["bob.mp4"]
    assert pd.read_csv(output / "listed.csv").video.tolist()[:2] == ["bob.mp4", "cas.mp4#0-1"]


def test_one_clock_for_files_of_several_rates(prepare, make_video, moving_square, tmp_path):
    for number, fps in enumerate((15, 30, 15, 60)):
        path = tmp_path / f"videos/{'ab'[number % 2]}/{number}.mp4"
        make_video(path, moving_square(2 * fps), fps=fps)
    words = ("data.folder.pattern='(?P<label>.)/.*'", "data.folder.folds=0")
    said, output = prepare(tmp_path / "videos", *words)
    remark = "frame rates from 15 to 60 a second: speed differs by file; store.fps gives all of"
    assert said.count(remark) == 1
    assert sorted(read_index(output).frames) == [30, 30, 60, 120]
    said, output = prepare(tmp_path / "videos", *words, "store.fps=10")
    index = read_index(output)
    assert "frame rates" not in said
    assert index.frames.tolist() == [20] * 4 and index.seconds.tolist() == [2.0] * 4
    assert sorted(index.fps) == [15, 15, 30, 60]  # as the files have it


def test_what_cannot_be_told_is_said(prepare, make_video, moving_square, tmp_path):
    for number, name in enumerate(("a/1.mp4", "a/2.flv", "b/1.ts", "b/2.mp4")):
        codec = "flv" if name.endswith("flv") else "mpeg2video" if name.endswith("ts") else "mpeg4"
        make_video(tmp_path / "videos" / name, moving_square(10, seed=number), codec=codec)
    words = ("data.folder.pattern='(?P<label>.)/.*'", "data.folder.folds=0")
    said, output = prepare(tmp_path / "videos", *words)
    assert "cut off (truncation in files.csv): 2 of 4 videos, such as a/2.flv, flv\n" in said
    files = pd.read_csv(output / "files.csv", keep_default_na=False)
    assert files.truncation.tolist() == ["", "cannot be told", "cannot be told", ""]
    strict = ("decoding.other_containers=[]", "decoding.other_codecs=[]")
    prepare(tmp_path / "videos", *words, *strict)
    assert len(read_index(output)) == 2  # asked of each file, without decoding the others again
    prepare(tmp_path / "videos", *words)
    assert len(read_index(output)) == 4


def test_a_folder_without_labels_needs_no_splits(recordings, prepare):
    words = (r"data.folder.pattern='.*\.mp4'", "data.folder.folds=0")
    _, output = prepare(recordings, *words)
    assert read_index(output).label.tolist() == ["unlabelled"] * 3
    with pytest.raises(InputError, match="expected a group"):
        prepare(recordings, words[0])
    with pytest.raises(InputError, match=r"segment_seconds: expected null beside segments"):
        prepare(recordings, *BY_LIST, "data.folder.segment_seconds=1")


def test_an_entry_of_a_file_is_that_of_each_piece():
    entry = {"video": "a", "offset": 100, "pieces": [{"video": "a#0-1", "offset": 7, "bytes": 3}]}
    assert entries.videos_of(entry) == [{"video": "a#0-1", "offset": 107, "bytes": 3}]
