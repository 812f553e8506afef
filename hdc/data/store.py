"""Decoded videos on disk, for fast random clips: large memory-mapped files, raw or H.264.

`store.json` says the version, the form and, per video, where its bytes lie and its shape; the bytes
lie in the files of `shards/` (`hdc.data.shards`), one after another.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from hdc.atomic import write_text
from hdc.errors import InputError

VERSION = 2
MANIFEST = "store.json"
RAW, H264 = "raw", "h264"


def write_manifest(
    folder: str | Path,
    *,
    form: str,
    short_side: int,
    key_frame_every: int,
    shards: list[dict[str, Any]],
    videos: list[dict[str, Any]],
) -> None:
    """Make the files of a store readable, all at once.

    `shards` hold file (below `folder`) and bytes; `videos` hold video, shard (its place in
    `shards`), offset, bytes and shape (time, height, width), in the order of the index.
    """
    manifest = {
        "version": VERSION,
        "form": form,
        "short_side": short_side,
        "key_frame_every": key_frame_every,
        "shards": shards,
        "videos": videos,
    }
    write_text(Path(folder) / MANIFEST, json.dumps(manifest))


class ClipStore:
    """Random access to the frames of a prepared data set, by row of its index."""

    def __init__(self, folder: str | Path, videos: Sequence[str] | None = None) -> None:
        """Open a store; `videos` are those of the index that it belongs to.

        Raises InputError if there is none, it is of another version or of other videos, or a file
        is cut short.
        """
        self.folder = Path(folder)
        self.manifest = read_manifest(folder)
        self.videos = self.manifest["videos"]
        self._mapped: dict[int, np.ndarray] = {}
        if videos is not None and [video["video"] for video in self.videos] != list(videos):
            raise InputError(
                f"{self.folder / MANIFEST}: expected the videos of index.csv in its order, found "
                "others; prepare the data set again"
            )
        for shard in self.manifest["shards"]:
            path = self.folder / shard["file"]
            found = path.stat().st_size if path.is_file() else "no file"
            if found != shard["bytes"]:
                raise InputError(
                    f"{path}: expected {shard['bytes']} bytes, found {found}; "
                    "prepare the data set again"
                )

    def __len__(self) -> int:
        return len(self.videos)

    def video(self, row: int) -> str:
        """The name of a video."""
        return self.videos[row]["video"]

    def shape(self, row: int) -> tuple[int, int, int]:
        """Frames, height and width of a video as it is stored."""
        return tuple(self.videos[row]["shape"])

    def clip(
        self, row: int, numbers: Int[np.ndarray, " clip"]
    ) -> UInt8[np.ndarray, "clip height width 3"]:
        """A copy of frames of a video by number, in any order, repeats too."""
        if self.manifest["form"] == RAW:
            return self._bytes(row).reshape(*self.shape(row), 3)[numbers]
        from hdc.data.h264 import unpack

        every = self.manifest["key_frame_every"]
        return unpack(self._bytes(row), numbers, shape=self.shape(row), key_frame_every=every)

    def _bytes(self, row: int) -> UInt8[np.ndarray, " bytes"]:
        """The stored bytes of a video, not yet read from the disk."""
        video = self.videos[row]
        number = video["shard"]
        if number not in self._mapped:
            path = self.folder / self.manifest["shards"][number]["file"]
            self._mapped[number] = np.memmap(path, dtype=np.uint8, mode="r")
        return self._mapped[number][video["offset"] :][: video["bytes"]]


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """What `store.json` of a prepared data set says.

    Raises InputError if there is none or it is of another version.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError(f"{path}: expected a file, found none; run hdc.prepare first")
    manifest = json.loads(path.read_text())
    if manifest["version"] != VERSION:
        raise InputError(
            f"{path}: expected version {VERSION}, found {manifest['version']}; prepare it again"
        )
    return manifest
