"""Decoded videos on disk, for fast random clips: large memory-mapped files, raw or H.264.

`store.json` says the version, the form, the checksums of the lists beside it and, per video, where
its bytes lie, their checksum and its shape; the bytes lie in the files of `shards/`
(`hdc.data.preparation.shards`), one after another.
"""

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from hdc.data.remedy import prepare_again, remedy_of
from hdc.runtime.atomic_files import write_text
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.sealed import read_sealed, sealed

VERSION = 2
MANIFEST = "store.json"
RAW, H264 = "raw", "h264"
READERS = {RAW: 2, H264: 4}  # threads that read ahead: H.264 takes 3 to 4 cores for 700 clips/s
_CHUNK = 2**24  # bytes of a stored video in memory at once


def write_manifest(folder: str | Path, **facts: Any) -> None:
    """Make the files of a store readable, all at once; `facts` as for `manifest_text`."""
    write_text(Path(folder) / MANIFEST, manifest_text(**facts))


def manifest_text(
    *,
    form: str,
    short_side: int,
    key_frame_every: int,
    shards: list[dict[str, Any]],
    videos: list[dict[str, Any]],
    lists: Mapping[str, str] | None = None,
    of: str | None = None,
) -> str:
    """What `store.json` says.

    `shards` hold file (below `folder`) and bytes; `videos` hold video, shard (its place in
    `shards`), offset, bytes, crc32 and shape (time, height, width), in the order of the index;
    `lists` hold the digests of the other files in `folder`, by name. `of`: the digest of the
    manifest of the frames that a track is of.
    """
    manifest = {
        "version": VERSION,
        "form": form,
        "short_side": short_side,
        "key_frame_every": key_frame_every,
        "shards": shards,
        "videos": videos,
        "lists": dict(lists or {}),
    } | ({} if of is None else {"of": of})
    return sealed(manifest)


class ClipStore:
    """Random access to the frames of a prepared data set, by row of its index."""

    channels = 3  # of a frame as it is read

    def __init__(self, folder: str | Path, videos: Sequence[str] | None = None) -> None:
        """Open a store; `videos` are those of the index that it belongs to.

        Raises InputError if it is missing, of another version or of other videos, if a list is
        not as it was prepared, or a file is cut short.
        """
        self.folder = Path(folder)
        self.manifest = read_manifest(folder)
        self.videos = self.manifest["videos"]
        self._mapped: dict[int, np.ndarray] = {}
        for faults in (list_faults, size_faults):
            if fault := next(faults(self.folder, self.manifest), None):
                raise InputError(fault)
        if videos is not None and [video["video"] for video in self.videos] != list(videos):
            raise InputError(
                f"{self.folder / MANIFEST}: expected the videos of index.csv in its order, found "
                f"others; {prepare_again(self.folder)}"
            )

    def __len__(self) -> int:
        return len(self.videos)

    def readers(self, workers: int | None) -> int:
        """How many threads shall read ahead: `workers`, or as many as the form needs."""
        return READERS[self.manifest["form"]] if workers is None else workers

    def video(self, row: int) -> str:
        """The name of a video."""
        return self.videos[row]["video"]

    def shape(self, row: int) -> tuple[int, int, int]:
        """Frames, height and width of a video as it is stored."""
        return tuple(self.videos[row]["shape"])

    def clip(
        self, row: int, numbers: Int[np.ndarray, " clip"]
    ) -> UInt8[np.ndarray, "clip height width _"]:
        """A copy of frames of a video by number, in any order, repeats too."""
        shape = (len(numbers), *self.shape(row)[1:], self.channels)
        frames = np.empty(shape, dtype=np.uint8)
        self.read(row, numbers, frames)
        return frames

    def read(
        self,
        row: int,
        numbers: Int[np.ndarray, " clip"],
        into: UInt8[np.ndarray, "clip height width _"],
    ) -> None:
        """Copy frames of a video by number to the upper left of frames that may be larger."""
        _, height, width = shape = self.shape(row)
        into = into[:, :height, :width]
        if self.manifest["form"] == RAW:
            frames = self._bytes(row).view(np.ndarray).reshape(*shape, self.channels)
            if into.flags.c_contiguous and numbers.min() >= 0 and numbers.max() < len(frames):
                frames.take(numbers, axis=0, out=into, mode="clip")  # others would copy it twice
            else:
                into[...] = frames[numbers]
            return
        from hdc.data.h264 import unpack

        every = self.manifest["key_frame_every"]
        into[...] = unpack(self._bytes(row), numbers, shape=shape, key_frame_every=every)

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

    Raises InputError if there is none, or one that is damaged or of another version.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError(f"{path}: expected a file, found none; run hdc.prepare first")
    remedy = prepare_again(folder)
    manifest = read_sealed(path, remedy=remedy)
    if manifest.get("version") != VERSION:
        version = manifest.get("version", "none")
        raise InputError(f"{path}: expected version {VERSION}, found {version}; {remedy}")
    if not {"form", "shards", "videos"} <= manifest.keys():
        keys = ", ".join(manifest)
        raise InputError(f"{path}: expected form, shards and videos, found {keys}; {remedy}")
    return manifest


def list_faults(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """A line for each list of a prepared data set that is not as it was written."""
    for name, expected in manifest.get("lists", {}).items():
        path = folder / name
        if not path.is_file():
            yield f"{path}: expected a file, found none; {prepare_again(folder)}"
        elif digest(path.read_bytes()) != expected:
            yield (
                f"{path}: expected the file as hdc.prepare wrote it, found another; "
                f"{prepare_again(folder)}"
            )


def size_faults(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """A line for each file of frames that is gone or of another size."""
    for shard in manifest["shards"]:
        path = folder / shard["file"]
        size = path.stat().st_size if path.is_file() else "no file"
        if size != shard["bytes"]:
            remedy = remedy_of(folder, manifest)
            yield f"{path}: expected {shard['bytes']} bytes, found {size}; {remedy}"


def stored_crc32(file: int, place: Mapping[str, Any]) -> int:
    """The checksum of the bytes of a video that are there now.

    `file`: descriptor of the file of frames; `place` says offset and bytes. The file is read, not
    mapped: a bad sector is an OSError then, not the end of the process.
    """
    checksum, at, end = 0, place["offset"], place["offset"] + place["bytes"]
    while at < end and (chunk := os.pread(file, min(_CHUNK, end - at), at)):
        checksum, at = zlib.crc32(chunk, checksum), at + len(chunk)
    return checksum if at == end else -1  # the file ends too early
