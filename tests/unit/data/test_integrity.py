import re
import shutil

import pytest

from hdc.data import integrity
from hdc.data.integrity import check_sample, verify
from hdc.data.store import ClipStore, read_manifest
from hdc.runtime.errors import InputError


@pytest.fixture
def prepared(tiny, tmp_path):
    """A copy of the tiny data set, to be damaged."""
    return shutil.copytree(tiny, tmp_path / "copy")


def damage(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def frames(prepared):
    return prepared / "shards/0001-of-0001.bin"


def place(prepared, row):
    return read_manifest(prepared)["videos"][row]["offset"]


def test_what_is_as_it_was_prepared_has_no_fault(prepared, capsys):
    assert verify(prepared)
    assert capsys.readouterr().out == (
        f"{prepared}: checked 24 videos, 0.0 GB: all as it was prepared\n"
    )


def test_every_fault_is_a_line_with_what_to_do(prepared, capsys):
    damage(frames(prepared), place(prepared, 3))
    damage(frames(prepared), place(prepared, 24 - 1) + 40)
    damage(prepared / "split1.csv", 30)
    damage(prepared / "shards/0001-of-0001.json", 60)
    (prepared / "files.csv").unlink()
    assert not verify(prepared)
    *lines, last = capsys.readouterr().out.splitlines()
    assert last.endswith("checked 24 videos, 0.0 GB: 5 faults")
    assert len(lines) == 5
    videos = [video["video"] for video in read_manifest(prepared)["videos"]]
    stored = re.escape(str(frames(prepared)))
    for number, expected in enumerate(
        [
            r".*/files\.csv: expected a file, found none",
            r".*/split1\.csv: expected the file as hdc\.prepare wrote it, found another",
            r".*/shards/0001-of-0001\.json: expected .*, found ",
            rf"{stored}: {videos[3]}: expected the frames that were prepared, found others",
            rf"{stored}: {videos[23]}: expected the frames that were prepared, found others",
        ]
    ):
        assert re.match(expected, lines[number]), lines[number]
        assert "; run python -m hdc.prepare data=copy folder= output_dir=" in lines[number]


def test_a_zeroed_half_and_a_file_cut_short(prepared, capsys):
    content = frames(prepared).read_bytes()
    half = len(content) // 2
    frames(prepared).write_bytes(content[:half] + bytes(half))
    assert not verify(prepared)
    assert capsys.readouterr().out.count("expected the frames that were prepared") == 12
    frames(prepared).write_bytes(content[:-1])
    assert not verify(prepared)
    out = capsys.readouterr().out
    assert "bytes, found " in out and out.count("expected the frames that were prepared") == 1
    frames(prepared).unlink()
    assert not verify(prepared)
    assert capsys.readouterr().out.count("found no file") == 1


def test_a_manifest_that_is_damaged_is_the_only_fault(prepared, capsys):
    (prepared / "store.json").write_text("[]")
    assert not verify(prepared)
    [line] = capsys.readouterr().out.splitlines()
    assert "store.json: expected JSON of an object, found a list; run python" in line


def test_a_bad_disk_is_a_fault_and_not_the_end(prepared, monkeypatch, capsys):
    def broken(file, video):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(integrity, "stored_crc32", broken)
    assert not verify(prepared)
    assert capsys.readouterr().out.count("prepared, found Input/output error; run") == 24


def test_a_training_looks_at_a_sample_and_says_how_many(prepared, monkeypatch, capsys):
    store, rows = ClipStore(prepared), list(range(24))
    assert check_sample(store, rows, seed=0) == 24
    assert "24 of 24 videos checked: stored frames are whole" in capsys.readouterr().out
    monkeypatch.setattr(integrity, "SAMPLE", 6)
    looked_at = []
    real = integrity.frame_faults
    monkeypatch.setattr(
        integrity,
        "frame_faults",
        lambda path, stored: looked_at.append(stored[0]["video"]) or real(path, stored),
    )
    assert check_sample(store, rows[4:], seed=0) == 6
    first, looked_at[:] = list(looked_at), []
    check_sample(store, rows[4:], seed=1)
    assert first != looked_at and set(first) <= {store.video(row) for row in rows[4:]}


def test_a_training_refuses_frames_that_are_not_those_prepared(prepared, capsys):
    damage(frames(prepared), place(prepared, 7) + 5)
    store = ClipStore(prepared)
    name = store.video(7)
    with pytest.raises(InputError) as caught:
        check_sample(store, range(24), seed=3)
    assert f"{name}: expected the frames that were prepared, found others; hdc verify" in str(
        caught.value
    )
    assert check_sample(store, range(8, 24), seed=3) == 16  # it is not among these


def test_an_older_preparation_has_no_checksums_and_says_so(prepared, capsys):
    store = ClipStore(prepared)
    for video in store.videos:
        del video["crc32"]
    assert check_sample(store, range(24), seed=0) == 0
    assert "not checked: an older preparation without checksums" in capsys.readouterr().out
