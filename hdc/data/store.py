"""Decoded frames on disk, for fast random clips: raw RGB in large memory-mapped files."""

import json
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8

from hdc.atomic import write_text
from hdc.errors import InputError

VERSION = 1
MANIFEST = "store.json"


class StoreWriter:
    """Appends videos to one file of frames; nothing can be read before `finish`.

    `store.json` holds, per video, the offset in bytes and the shape (time, height, width).
    """

    def __init__(self, folder: str | Path, frames_file: BinaryIO, *, short_side: int) -> None:
        self.folder = Path(folder)
        self.frames_file = frames_file
        self.short_side = short_side
        self.videos: list[dict] = []
        self.offset = 0

    def add(self, video: str, frames: UInt8[np.ndarray, "time height width 3"]) -> None:
        """Append a video's frames."""
        self.frames_file.write(np.ascontiguousarray(frames).data)
        shape = list(frames.shape[:3])
        self.videos.append({"video": video, "offset": self.offset, "shape": shape})
        self.offset += frames.nbytes

    def finish(self) -> None:
        """Write the manifest; call it once the file of frames has its final name."""
        manifest = {"version": VERSION, "short_side": self.short_side, "videos": self.videos}
        write_text(self.folder / MANIFEST, json.dumps(manifest))


class ClipStore:
    """Random access to the stored frames of a prepared data set, by row of its index."""

    def __init__(self, folder: str | Path) -> None:
        """Open a store.

        Raises InputError if there is none, it is of another version, or its frames are cut short.
        """
        path = Path(folder) / MANIFEST
        if not path.is_file():
            raise InputError(f"{path}: expected a file, found none; run hdc.prepare first")
        manifest = json.loads(path.read_text())
        if manifest["version"] != VERSION:
            raise InputError(
                f"{path}: expected version {VERSION}, found {manifest['version']}; prepare it again"
            )
        self.videos = manifest["videos"]
        self.bytes = np.memmap(frames_path(folder), dtype=np.uint8, mode="r")
        expected = sum(3 * int(np.prod(video["shape"])) for video in self.videos)
        if len(self.bytes) != expected:
            raise InputError(
                f"{frames_path(folder)}: expected {expected} bytes, found {len(self.bytes)}; "
                "prepare the data set again"
            )

    def __len__(self) -> int:
        return len(self.videos)

    def frames(self, row: int) -> UInt8[np.ndarray, "time height width 3"]:
        """All frames of a video, not yet read from the disk."""
        video = self.videos[row]
        size = 3 * int(np.prod(video["shape"]))
        start = video["offset"]
        return self.bytes[start : start + size].reshape(*video["shape"], 3)


def frames_path(folder: str | Path) -> Path:
    """The file of frames of a store."""
    return Path(folder) / "frames.u8"
