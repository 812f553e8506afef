"""Some of a folder's videos on their way from files to vectors; killed, work goes on at one.

The frames of one part are on the disk at a time. A finished part is a Parquet file: a row a usable
video with path, label, frames, seconds, a vector a level and a small picture as JPEG.
"""

import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from hdc.data.preparation.shards import Packing, Shard, prepare_shard
from hdc.data.preparation.source_files import size_and_time
from hdc.data.store import RAW, ClipStore, write_manifest
from hdc.data.tracks import opened
from hdc.runtime.atomic_files import open_atomically
from hdc.runtime.digest import digest
from hdc.runtime.input_names import FLOW
from hdc.settings.data import Decoding, Store
from hdc.settings.schema import Clip, Inference

NOTES = b"hdc"  # the key of ours in the metadata of a Parquet file
PICTURE = "picture"
PICTURE_PIXELS = (160, 96)  # width and height, at most


@dataclass(frozen=True)
class Embedding:
    """How videos become vectors: by what encoder, of which clips, decoded and stored how."""

    encoder: Any
    levels: Mapping[str, int]  # numbers of a vector
    sees: str
    clip: Clip
    inference: Inference
    decoding: Decoding
    store: Store
    key: str  # changes with everything that a vector depends on


@dataclass(frozen=True)
class Part:
    """Some videos (video, label, path); `folder` is where their frames lie meanwhile."""

    folder: Path
    videos: pd.DataFrame

    @property
    def file(self) -> Path:
        """Its vectors, once they are all there."""
        return self.folder.with_suffix(".parquet")

    def notes(self, key: str) -> dict[str, Any] | None:
        """What is noted of the part if it was finished from the same files in the same way."""
        try:
            notes = read_notes(self.file)
        except (OSError, pa.ArrowInvalid):
            return None
        return notes if notes.get("key") == self._key(key) else None

    def _key(self, key: str) -> str:
        files = [size_and_time(path) for path in self.videos.path]
        return digest(repr((key, self.videos.video.tolist(), self.videos.label.tolist(), files)))

    def make(self, by: Embedding, on_videos: Callable[[int], Any]) -> None:
        """Decode, embed and write what is not there yet; the frames are deleted."""
        key = self._key(by.key)  # before they are read, so that a change meanwhile shows
        shard = Shard(self.folder, 1, 1)
        facts = prepare_shard(shard, self.videos, Packing(by.decoding, by.store, RAW))
        usable = [entry for entry in facts["videos"] if "rejected" not in entry]
        rejected = [
            [entry["video"], entry["rejected"]] for entry in facts["videos"] if "rejected" in entry
        ]
        vectors = {level: np.empty((0, size), np.float32) for level, size in by.levels.items()}
        pictures: list[bytes] = []
        if usable:
            frames = self._frames(shard, facts, usable, by.store)
            vectors = self._vectors(by, [entry["video"] for entry in usable], on_videos)
            pictures = [small_picture(frames, row) for row in range(len(frames))]
        on_videos(len(rejected))
        labels = self.videos.set_index("video").label
        columns = {
            "path": pa.array([entry["video"] for entry in usable], pa.string()),
            "label": pa.array([labels[entry["video"]] for entry in usable], pa.string()),
            "frames": pa.array([entry["facts"]["frames"] for entry in usable], pa.int64()),
            "seconds": pa.array([entry["facts"]["seconds"] for entry in usable], pa.float64()),
            **{level: vector_column(table) for level, table in vectors.items()},
            PICTURE: pa.array(pictures, pa.binary()),
        }
        write_parquet(self.file, pa.table(columns), {"key": key, "rejected": rejected})
        shutil.rmtree(self.folder)

    def _frames(
        self, shard: Shard, facts: dict[str, Any], usable: list[dict[str, Any]], store: Store
    ) -> ClipStore:
        """The decoded videos."""
        places = [
            {key: entry[key] for key in ("offset", "bytes", "crc32", "shape")} for entry in usable
        ]
        write_manifest(
            self.folder,
            form=facts["form"],
            short_side=store.short_side,
            key_frame_every=store.key_frame_every,
            shards=[{"file": str(shard.frames.relative_to(self.folder)), "bytes": facts["bytes"]}],
            videos=[
                {"video": entry["video"], "shard": 0} | place
                for entry, place in zip(usable, places, strict=True)
            ],
        )
        return ClipStore(self.folder)

    def _vectors(
        self, by: Embedding, names: list[str], on_videos: Callable[[int], Any]
    ) -> dict[str, np.ndarray]:
        from hdc.encoders.video_vectors import video_vectors

        if by.sees == FLOW:
            from hdc.data.preparation.flow_shards import compute_flow

            compute_flow(self.folder, by.store)
        shown = opened(self.folder, by.sees, names)
        how = {"clip": by.clip, "inference": by.inference, "on_videos": on_videos}
        return video_vectors(by.encoder, shown, **how)


def small_picture(frames: ClipStore, row: int) -> bytes:
    """The middle frame of a video, as a small JPEG."""
    middle = frames.clip(row, np.array([frames.shape(row)[0] // 2]))[0]
    picture, file = Image.fromarray(middle), io.BytesIO()
    picture.thumbnail(PICTURE_PIXELS)
    picture.save(file, "jpeg", quality=80)
    return file.getvalue()


def vector_column(table: np.ndarray) -> pa.Array:
    """A table (video, number) as a column of vectors."""
    return pa.FixedSizeListArray.from_arrays(pa.array(table.ravel(), pa.float32()), table.shape[1])


def write_parquet(path: Path, table: pa.Table, notes: dict[str, Any]) -> None:
    """Write a table with notes of ours in its metadata, whole or not at all."""
    metadata = {NOTES: json.dumps(notes, sort_keys=True).encode()}
    with open_atomically(path) as file:
        pq.write_table(table.replace_schema_metadata(metadata), file)


def read_notes(path: Path) -> dict[str, Any]:
    """The notes of ours in a Parquet file; empty if it has none. Raises ArrowInvalid for others."""
    metadata = pq.read_schema(path).metadata or {}
    return json.loads(metadata.get(NOTES, b"{}"))
