import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hdc.data.preparation import shards
from hdc.data.preparation.journal import Journal
from hdc.data.preparation.shards import Packing, Shard, prepare_shard
from hdc.runtime.errors import InputError
from hdc.runtime.sealed import write_sealed


@pytest.fixture
def listed(tmp_path, make_video, moving_square):
    """Eight videos, the third broken, the sixth not there."""
    rows = []
    for number in range(8):
        path = make_video(tmp_path / f"videos/{number}.avi", moving_square(10, seed=number))
        rows.append((f"{number}.avi", str(path)))
    Path(rows[2][1]).write_text("broken")
    rows[5] = ("5.avi", "")
    return pd.DataFrame(rows, columns=["video", "path"])


@pytest.fixture
def prepare(tmp_path, listed, prepare_settings):
    def run(number=1, total=1, *, listed=listed, form="raw", **changes):
        settings = prepare_settings(store__short_side=24, **changes)
        shard = Shard(tmp_path / "out", number, total)
        prepare_shard(shard, listed, Packing(settings.decoding, settings.store, form))
        return shard

    return run


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that are decoded from here on."""
    names, pack = [], shards.Decoder.pack

    def noted(decoder, path, cut):
        names.append(Path(path).name)
        return pack(decoder, path, cut)

    monkeypatch.setattr(shards.Decoder, "pack", noted)
    return names


def contents(shard):
    return shard.frames.read_bytes(), shard.facts.read_bytes()


def test_every_listed_video_has_its_entry(prepare):
    facts = prepare().read()
    assert [entry["video"] for entry in facts["videos"]] == [f"{n}.avi" for n in range(8)]
    reasons = {entry["video"]: entry.get("rejected") for entry in facts["videos"]}
    assert reasons["2.avi"].startswith("cannot be opened as avi")
    assert reasons["5.avi"].startswith("missing: ")
    assert sum(reason is None for reason in reasons.values()) == 6


def test_parts_make_up_the_whole(prepare, listed):
    frames, _ = contents(prepare())
    parts = [prepare(number, 3) for number in (1, 2, 3)]
    assert sum(len(part.rows(listed)) for part in parts) == 8
    assert b"".join(part.frames.read_bytes() for part in parts) == frames


def test_what_is_done_is_not_done_again(prepare, monkeypatch):
    shard = prepare()
    before = contents(shard)
    monkeypatch.setattr(shards, "_prepare", None)
    prepare()
    assert contents(shard) == before


def test_where_the_files_lie_changes_nothing(prepare, listed, tmp_path, monkeypatch):
    before = contents(prepare())
    (tmp_path / "videos").rename(tmp_path / "elsewhere")
    moved = listed.assign(path=listed.path.str.replace("/videos/", "/elsewhere/"))
    monkeypatch.setattr(shards, "_prepare", None)
    assert contents(prepare(listed=moved)) == before


@pytest.mark.parametrize("change", ["file", "settings", "form"])
def test_what_has_changed_is_done_again(prepare, make_video, moving_square, listed, change):
    before = contents(prepare())
    changes = {}
    if change == "file":
        make_video(listed.path[0], moving_square(12, seed=99))
    if change == "settings":
        changes = {"decoding__frame_count_tolerance": 0}
    if change == "form":
        changes = {"form": "h264"}
    after = contents(prepare(**changes))
    assert after[1] != before[1]
    assert (after[0] == before[0]) == (change == "settings")


def test_a_file_of_another_time_is_read_and_noted_but_not_decoded(prepare, listed, decoded):
    frames, _ = contents(prepare())
    decoded.clear()
    for path in listed.path[listed.path != ""]:
        os.utime(path, ns=(0, 0))
    shard = prepare()
    assert not decoded and shard.frames.read_bytes() == frames
    sources = [entry["source"]["modified"] for entry in shard.read()["videos"]]
    assert sources == [0] * 8  # the one that is missing, too


def test_only_what_has_another_content_is_decoded(
    prepare, make_video, moving_square, listed, decoded
):
    """Repaired, replaced by one of the same size and found at last: in the middle of a part."""
    prepare()
    make_video(listed.path[2], moving_square(10, seed=2))
    content = bytearray(Path(listed.path[4]).read_bytes())
    content[-1] ^= 1
    Path(listed.path[4]).write_bytes(content)
    os.utime(listed.path[4], ns=(0, 0))
    there = make_video(Path(listed.path[0]).with_name("5.avi"), moving_square(10, seed=5))
    now = listed.assign(path=[*listed.path[:5], str(there), *listed.path[6:]])
    decoded.clear()
    again = prepare(listed=now)
    assert sorted(decoded) == ["2.avi", "4.avi", "5.avi"]
    kept, facts = contents(again)
    again.facts.unlink()
    assert contents(prepare(listed=now)) == (kept, facts)  # as if all had been decoded


def test_a_list_that_has_grown_costs_what_is_new(
    prepare, make_video, moving_square, listed, decoded, tmp_path
):
    prepare()
    more = make_video(tmp_path / "videos/0a.avi", moving_square(10, seed=99))
    now = pd.concat([listed[:1], pd.DataFrame([("0a.avi", str(more))], columns=listed.columns)])
    decoded.clear()
    shard = prepare(listed=pd.concat([now, listed[1:]]))
    assert decoded == ["0a.avi"] and len(shard.read()["videos"]) == 9


def test_stored_frames_that_are_damaged_are_decoded_again(prepare, decoded, capsys):
    shard = prepare()
    before, entry = contents(shard), shard.read()["videos"][3]
    content = bytearray(before[0])
    content[entry["offset"] + 100] ^= 1
    content[-1000:] = bytes(1000)
    shard.frames.write_bytes(content)
    decoded.clear()
    assert contents(prepare()) == before
    assert sorted(decoded) == ["3.avi", "7.avi"]
    said = "3.avi: expected the frames that were stored, found others: decoded again"
    assert said in capsys.readouterr().out


def test_a_video_of_which_it_is_not_known_whether_it_is_mirrored(prepare, decoded):
    """As an older preparation left it, which stored mirrored videos turned."""
    shard = prepare()
    before, facts = contents(shard), shard.read()
    del facts["videos"][3]["facts"]["mirrored"]
    write_sealed(shard.facts, facts)
    decoded.clear()
    prepare()
    assert contents(shard) == before and decoded == ["3.avi"]


@pytest.mark.parametrize("harm", ["cut", "list", "bit", "binary", "empty"])
def test_facts_that_are_damaged_are_found_again(prepare, harm):
    shard = prepare()
    before = contents(shard)
    facts = before[1]
    digit = facts.index(b'"offset": ') + 10
    flipped = facts[:digit] + b"1" + facts[digit + 1 :]
    other = {"cut": facts[:99], "list": b"[]", "bit": flipped, "binary": b"\xff\0", "empty": b""}
    shard.facts.write_bytes(other[harm])
    assert shard.read() is None
    assert contents(prepare()) == before


def test_a_file_that_was_cut_short_is_done_again(prepare):
    shard = prepare()
    before = contents(shard)
    shard.frames.write_bytes(before[0][:-1])
    assert shard.read() is None
    assert contents(prepare()) == before


@pytest.mark.parametrize("harm", ["none", "bytes", "cut", "journal", "line"])
def test_a_stopped_one_goes_on_and_believes_nothing_that_is_not_whole(
    prepare, monkeypatch, listed, harm, decoded
):
    """Stopped after five videos, with what is on the disk harmed in several ways."""
    undisturbed = contents(prepare())
    shard = prepare(form="h264")  # other settings: starts over
    add = Journal.add

    def stop_at_six(journal, entry):
        if len(journal.entries) == 5:
            raise KeyboardInterrupt
        add(journal, entry)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", stop_at_six)
        with pytest.raises(KeyboardInterrupt):
            prepare()
    assert not shard.facts.exists()
    partial, journal = shard.frames.with_suffix(".bin.partial"), shard.journal
    assert len(journal.read_text().splitlines()) == 6
    content = bytearray(partial.read_bytes())
    if harm == "bytes":
        content[5000] ^= 1
    if harm == "cut":
        del content[6000:]
    partial.write_bytes(content)
    if harm == "journal":
        journal.unlink()
    if harm == "line":
        journal.write_text(journal.read_text()[:-20])
    decoded.clear()
    assert contents(prepare()) == undisturbed
    # 0 to 4 are finished; bytes 5,000 and 6,000 lie in the first video; a broken line is the last.
    assert len(decoded) == {"none": 2, "bytes": 7, "cut": 7, "journal": 7, "line": 3}[harm]
    assert not partial.exists() and not journal.exists()


def test_killed_at_any_moment_it_ends_with_the_same_bytes(tmp_path, make_video, prepare_settings):
    """SIGKILL to the whole stage, several times, against a run that nobody disturbs."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (240, 320, 3), np.uint8)
    frames = np.stack([np.roll(picture, step, axis=1) for step in range(30)])
    for number in range(18):
        make_video(tmp_path / f"videos/{'ab'[number % 2]}/{number}.avi", frames)
    words = [sys.executable, "-m", "hdc.prepare", "data=weizmann", f"folder={tmp_path / 'videos'}"]
    words += ["data.folder.pattern='(?P<label>.)/.*'", "data.folder.folds=3"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*words, f"output_dir={whole}"], check=True, capture_output=True)
    progress = []
    for lines in (3, 9):
        child = subprocess.Popen(
            [*words, f"output_dir={killed}"], stdout=subprocess.DEVNULL, start_new_session=True
        )
        journal = killed / "shards/0001-of-0001.journal.partial"
        while child.poll() is None and (
            not journal.exists() or journal.read_bytes().count(b"\n") < lines
        ):
            time.sleep(0.005)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        progress.append(journal.read_bytes().count(b"\n") if journal.exists() else None)
        assert not (killed / "index.csv").exists()
    assert all(count is not None and count >= 3 for count in progress)
    subprocess.run([*words, f"output_dir={killed}"], check=True, capture_output=True)
    for name in ("index.csv", "store.json", "shards/0001-of-0001.bin", "shards/0001-of-0001.json"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()


def test_a_full_disk_stops_with_a_message_and_loses_nothing(prepare, monkeypatch):
    undisturbed = contents(prepare())
    shard = prepare(form="h264")

    class FullDisk:
        """A file that takes three videos."""

        def __init__(self, file):
            self.file, self.left = file, 3

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            if self.left == 0:
                self.file.write(content[:100])
                raise OSError(errno.ENOSPC, "No space left on device")
            self.left -= 1
            return self.file.write(content)

    with monkeypatch.context() as patch:
        real = Path.open
        patch.setattr(
            Path,
            "open",
            lambda self, mode="r", **kwargs: (
                FullDisk(real(self, mode, **kwargs)) if mode == "ab" else real(self, mode, **kwargs)
            ),
        )
        with pytest.raises(InputError, match="no space left on the disk; free some and run"):
            prepare()
    assert shard.read() is None and not shard.facts.exists()
    assert contents(prepare()) == undisturbed


def test_a_second_one_on_the_same_part_is_refused(prepare, tmp_path):
    shard = Shard(tmp_path / "out", 1, 1)
    code = "import sys, time; from pathlib import Path; from hdc.runtime.lock import Lock; "
    code += "Lock(Path(sys.argv[1])); print('locked', flush=True); time.sleep(60)"
    words = [sys.executable, "-c", code, str(shard.facts.with_suffix(".lock"))]
    other = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(InputError, match=f"expected no other writer, found process {other.pid} on"):
        prepare()
    other.kill()
    other.communicate()
    assert prepare().read() is not None


def test_a_part_that_is_done_again_voids_the_lists(
    prepare, make_video, moving_square, listed, tmp_path
):
    prepare()
    for name in ("index.csv", "store.json"):
        (tmp_path / "out" / name).write_text("of the one before")
    prepare()
    assert (tmp_path / "out/index.csv").exists()  # nothing has changed
    make_video(listed.path[0], moving_square(12, seed=99))
    prepare()
    assert not (tmp_path / "out/index.csv").exists() and not (tmp_path / "out/store.json").exists()
