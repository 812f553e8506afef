"""Which videos of a prepared data set have changed since: asked whenever a study is planned.

A stat for every listed file, and a checksum of those whose time differs while their size does not.
"""

import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from hdc.data.index import read_table, table_text
from hdc.data.listing import Listing
from hdc.data.preparation.source_files import sha256_of, size_and_time
from hdc.data.remedy import SOURCES
from hdc.data.store import MANIFEST
from hdc.runtime.atomic_files import write_text
from hdc.runtime.errors import InputError
from hdc.runtime.progress import progress, threads
from hdc.runtime.sealed import read_sealed, write_sealed

CHANGED = "changed.csv"  # tells Snakemake, by its time, that a data set is out of date
NEW, GONE, OTHER = "new", "gone", "another content"
RELABELLED = "another label or group"
_KEYS = ("path", "bytes", "modified", "sha256")


def write_sources(
    prepared: Path, folder: str, paths: Iterable[str], entries: Iterable[dict[str, Any]]
) -> None:
    """Note the file of every listed video, `paths` below `folder`; nothing of videos that are made.

    `entries` hold video and source, the latter with bytes, modified and sha256.
    """
    files = {}
    for path, entry in zip(paths, entries, strict=True) if folder else ():
        below = str(Path(path).relative_to(folder)) if path else ""
        files[entry["video"]] = [below, *(entry["source"][key] for key in _KEYS[1:])]
    write_sealed(prepared / SOURCES, {"folder": folder, "files": files})


def source_paths(prepared: str | Path, folder: str | Path) -> dict[str, str]:
    """Where the file of each prepared video lies if it still lies below `folder`, by video."""
    files = _read_files(Path(prepared))
    return {video: str(Path(folder, path)) if path else "" for video, (path, *_) in files.items()}


def changed_since(listing: Listing, prepared: str | Path) -> dict[str, str]:
    """Which files, or which pieces of them, differ from those prepared, and how."""
    changed = changed_videos(listing.files, prepared)
    if listing.recordings is not None:
        changed |= changed_pieces(listing.videos, prepared)
    return changed


def changed_videos(videos: pd.DataFrame, prepared: str | Path) -> dict[str, str]:
    """Which of the videos (video, path; empty if missing) differ from those prepared, and how.

    Nothing where nothing was prepared, and nothing about a file that is gone while its path is
    given. Times of files with the same content as then are noted, so that no file is read twice.
    """
    prepared = Path(prepared)
    files = _read_files(prepared)
    if not files:
        older = (prepared / MANIFEST).is_file()
        return dict.fromkeys(videos.video, "not known to an older preparation") if older else {}
    changed, doubtful = {}, []
    for video, path in zip(videos.video, videos.path, strict=True):
        then = files.get(video)
        if then is None or (path and not then[0]):
            changed[video] = NEW
        elif not path and then[0]:
            changed[video] = GONE
        elif path and (now := size_and_time(path)) not in ((then[1], then[2]), (0, 0)):
            if now[0] == then[1]:
                doubtful.append((video, path, now[1]))
            else:
                changed[video] = OTHER
    changed |= dict.fromkeys(sorted(files.keys() - set(videos.video)), GONE)
    return changed | _read_doubtful(doubtful, files, prepared)


def changed_pieces(videos: pd.DataFrame, prepared: str | Path) -> dict[str, str]:
    """Which pieces of recordings are listed otherwise than when they were prepared, and how.

    `videos` has video, label and group. Nothing where nothing was prepared.
    """
    path = Path(prepared) / "listed.csv"
    if not path.is_file():
        return {}
    columns = ["video", "label", "group"]
    now, then = (
        {video: rest for video, *rest in table[columns].itertuples(index=False)}
        for table in (videos, read_table(path, tuple(columns)))
    )
    changed = dict.fromkeys(now.keys() - then.keys(), NEW)
    changed |= dict.fromkeys(then.keys() - now.keys(), GONE)
    relabelled = [video for video in now if now[video] != then.get(video, now[video])]
    return changed | dict.fromkeys(relabelled, RELABELLED)


def _read_files(prepared: Path) -> dict[str, list[Any]]:
    """By video: path, bytes, time and checksum of its file when it was prepared."""
    try:
        return read_sealed(prepared / SOURCES, remedy="")["files"]
    except (InputError, OSError, KeyError):  # preparing again finds out
        return {}


def _read_doubtful(
    doubtful: Sequence[tuple[str, str, int]], files: dict[str, list[Any]], prepared: Path
) -> dict[str, str]:
    """Those of some videos (video, path, time) whose content has changed; notes others' times."""
    changed = {}
    if not doubtful:
        return changed
    folder = read_sealed(prepared / SOURCES, remedy="")["folder"]
    pool = ThreadPoolExecutor(threads())
    try:
        checksums = pool.map(sha256_of, [path for _, path, _ in doubtful])
        checksums = progress(
            checksums, total=len(doubtful), unit="file", what="reading files of new times"
        )
        for (video, _, modified), sha256 in zip(doubtful, checksums, strict=True):
            if sha256 != files[video][3]:
                changed[video] = OTHER
            else:
                files[video][2] = modified
    finally:
        pool.shutdown(cancel_futures=True)
        with suppress(OSError):  # the folder is somebody else's: the files are read again next time
            write_sealed(prepared / SOURCES, {"folder": folder, "files": files})
    return changed


def note_changes(path: Path, changed: dict[str, str]) -> None:
    """Write what has changed into a file: newer than anything prepared, or very old if nothing has.

    Snakemake takes it as an input of the preparation.
    """
    table = pd.DataFrame(sorted(changed.items()), columns=["video", "change"])
    # Never the same text twice: of a file with the content of then Snakemake ignores the time.
    text = table_text(table.assign(noticed=time.time_ns()))
    if changed or not path.is_file() or path.read_text() != text:
        write_text(path, text)
    if not changed:
        os.utime(path, (0, 0))
