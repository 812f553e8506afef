import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from hdc.data.preparation import changes
from hdc.data.preparation.changes import (
    changed_videos,
    note_changes,
    source_paths,
    write_sources,
)
from hdc.data.preparation.source_files import sha256_of, size_and_time
from hdc.data.preparation.sources import require_whole
from hdc.runtime.errors import InputError


@pytest.fixture
def videos(tmp_path):
    """Six files, the last of them not there."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in "abcde":
        (folder / name).write_text(f"the video {name}")
    paths = [*(str(folder / name) for name in "abcde"), ""]
    return pd.DataFrame({"video": list("abcdef"), "path": paths})


@pytest.fixture
def prepared(tmp_path, videos):
    """What is noted of these files."""
    entries = []
    for video, path in zip(videos.video, videos.path, strict=True):
        size, modified = size_and_time(path)
        source = {"bytes": size, "modified": modified, "sha256": sha256_of(path)}
        entries.append({"video": video, "source": source})
    folder = tmp_path / "prepared"
    write_sources(folder, str(tmp_path / "videos"), videos.path, entries)
    return folder


@pytest.fixture
def read(monkeypatch):
    """The names of the files that are read from here on."""
    names = []

    def noted(path):
        names.append(Path(path).name)
        return sha256_of(path)

    monkeypatch.setattr(changes, "sha256_of", noted)
    return names


def test_files_as_they_were_are_not_even_read(videos, prepared, read):
    assert changed_videos(videos, prepared) == {} and not read


def test_other_times_of_the_same_content_are_read_once(videos, prepared, read):
    os.utime(videos.path[0], (0, 0))
    os.utime(videos.path[3], (0, 0))
    assert changed_videos(videos, prepared) == {} and sorted(read) == ["a", "d"]
    assert changed_videos(videos, prepared) == {} and len(read) == 2


def test_results_of_somebody_else_are_only_read(videos, prepared, read, monkeypatch):
    def forbidden(path, content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(changes, "write_sealed", forbidden)
    os.utime(videos.path[0], (0, 0))
    assert changed_videos(videos, prepared) == {}


def test_every_kind_of_change_is_told(videos, prepared, read, tmp_path):
    Path(videos.path[0]).write_text("longer than the video a")
    Path(videos.path[1]).write_text("the video X")  # of the same size
    there = tmp_path / "videos/f"
    there.write_text("found at last")
    now = videos.assign(path=[*videos.path[:2], "", *videos.path[3:5], str(there)])
    more = pd.concat([now, pd.DataFrame({"video": ["g"], "path": [str(there)]})])
    assert changed_videos(more, prepared) == {
        "a": "another content", "b": "another content", "c": "gone", "f": "new", "g": "new",
    }  # fmt: skip
    assert read == ["b"]  # a file of another size need not be read
    assert changed_videos(videos[:4], prepared) == {
        "a": "another content", "b": "another content", "e": "gone", "f": "gone",
    }  # fmt: skip


def test_moved_videos_are_the_same(videos, prepared, tmp_path, read):
    shutil.move(tmp_path / "videos", tmp_path / "elsewhere")
    paths = source_paths(prepared, tmp_path / "elsewhere")
    assert paths["a"] == str(tmp_path / "elsewhere/a") and paths["f"] == ""
    assert changed_videos(videos.assign(path=videos.video.map(paths)), prepared) == {}
    assert not read  # moved files keep their times


@pytest.mark.parametrize("content", ["", "[]", '{"folder": "videos"}', "{"])
def test_a_note_that_is_damaged_has_everything_looked_at_again(videos, prepared, content):
    (prepared / "sources.json").write_text(content)
    assert changed_videos(videos, prepared) == {}  # nothing is prepared
    (prepared / "store.json").touch()
    assert set(changed_videos(videos, prepared)) == set("abcdef")


def test_what_snakemake_sees_is_new_only_while_something_has_changed(tmp_path):
    path = tmp_path / "prepared/changed.csv"
    note_changes(path, {})
    assert path.stat().st_mtime == 0
    before = path.stat()
    note_changes(path, {})
    assert path.stat().st_ino == before.st_ino  # left alone
    note_changes(path, {"b.avi": "new", "a.avi": "gone"})
    text = path.read_text()
    noted = [line.rpartition(",")[0] for line in text.splitlines()]
    assert noted == ["video,change", "a.avi,gone", "b.avi,new"]
    assert path.stat().st_mtime > 1e9
    note_changes(path, {"b.avi": "new", "a.avi": "gone"})
    assert path.read_text() != text  # changed twice, or Snakemake would see nothing new
    note_changes(path, {})  # put back as it was, before anything was prepared again
    assert path.stat().st_mtime == 0 and path.read_text() == "video,change,noticed\n"


def test_damage_is_found_at_planning(tiny, tmp_path):
    require_whole(tmp_path / "nothing yet")
    require_whole(tiny)
    for name, content in {
        "store.json": "[]",
        "index.csv": "",
        "split1.csv": "video,part\n",
        "rejected.csv": "\0",
    }.items():
        folder = shutil.copytree(tiny, tmp_path / name)
        (folder / name).write_text(content)
        with pytest.raises(InputError, match=f"{name}: expected .*; run python -m hdc.prepare"):
            require_whole(folder)
    (folder / "rejected.csv").unlink()  # Snakemake sees by itself that it has to be made
    require_whole(folder)


def test_what_is_noted_of_prepared_files_says_where_they_lie(prepared, tmp_path):
    noted = json.loads((prepared / "sources.json").read_text())
    assert noted["folder"] == str(tmp_path / "videos")
    assert noted["files"]["f"] == ["", 0, 0, ""]
    assert noted["files"]["a"][:2] == ["a", len("the video a")]
