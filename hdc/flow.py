"""Optical flow of every video of a prepared data set, kept beside its frames.

Writes <prepared>/flow/store.json and the files of its `shards/`, one for each of the frames'. Only
what is missing, or of frames that have changed since, is computed; killed, it goes on at the file
where it was. A workflow asks for it where a run's views have `input: flow`.
"""

import errno
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hdc.data.flow_bytes import BOUND
from hdc.data.optical_flow import optical_flow
from hdc.data.store import MANIFEST, ClipStore, write_manifest
from hdc.data.tracks import packed_flow, track_folder
from hdc.runtime.atomic_files import open_atomically
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.input_names import FLOW
from hdc.runtime.lock import Lock
from hdc.runtime.lookahead import ahead
from hdc.runtime.progress import progress, threads
from hdc.runtime.sealed import read_sealed, write_sealed
from hdc.settings.data import Store
from hdc.settings.stage import Stage, StageJob, argument, choice, node


@dataclass(frozen=True, kw_only=True)
class FlowJob(StageJob):
    """What computing the optical flow of a data set is told."""

    data: str = choice()
    prepared: Path = argument("results/data/<data>, made by hdc.prepare; flow/ is made in it")
    store: Store = node()


STAGE = Stage("flow", __doc__, FlowJob)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def main(job: FlowJob) -> None:
    """Compute the optical flow of one data set."""
    frames, folder = ClipStore(job.prepared), track_folder(job.prepared, FLOW)
    lock = Lock(folder / "lock")
    (folder / MANIFEST).unlink(missing_ok=True)
    manifest = frames.manifest
    packing = replace(job.store, key_frame_every=manifest["key_frame_every"])
    files, entries = [], {}
    with progress([], total=len(frames), unit="video", what="optical flow") as bar:
        for number in range(len(manifest["shards"])):
            path = folder / "shards" / f"{number + 1:04d}.bin"
            rows = [row for row, place in enumerate(frames.videos) if place["shard"] == number]
            facts = shard_facts(path, frames, rows, packing)
            if facts is None:
                facts = write_shard(path, frames, rows, packing, on_video=bar.update)
            files.append({"file": f"shards/{path.name}", "bytes": facts["bytes"]})
            entries |= {entry["video"]: entry | {"shard": number} for entry in facts["videos"]}
    write_manifest(
        folder,
        form=manifest["form"],
        short_side=manifest["short_side"],
        key_frame_every=manifest["key_frame_every"],
        shards=files,
        videos=[entries[place["video"]] for place in frames.videos],
        of=digest((job.prepared / MANIFEST).read_bytes()),
    )
    lock.release()
    print(f"{folder / MANIFEST}: optical flow of {len(frames):,} videos", flush=True)


def made_of(frames: ClipStore, rows: list[int], packing: Store) -> str:
    """Changes with everything that the bytes of a file depend on."""
    stored = [[frames.video(row), frames.videos[row].get("crc32")] for row in rows]
    layout = (frames.manifest["form"], packing.key_frame_every, packing.rate_factor)
    return digest(repr((stored, layout, BOUND)))


def shard_facts(
    path: Path, frames: ClipStore, rows: list[int], packing: Store
) -> dict[str, Any] | None:
    """What is noted of a file that is whole and of these frames; else None."""
    facts_path = path.with_suffix(".json")
    if not (facts_path.is_file() and path.is_file()):
        return None
    try:
        facts = read_sealed(facts_path, remedy="")
    except InputError:  # damaged: as if it were not there
        return None
    whole = path.stat().st_size == facts.get("bytes")
    return facts if whole and facts.get("of") == made_of(frames, rows, packing) else None


def write_shard(
    path: Path, frames: ClipStore, rows: list[int], packing: Store, *, on_video: Callable[[], Any]
) -> dict[str, Any]:
    """Compute and write the optical flow of some videos; what is noted of them."""
    entries, offset = [], 0
    try:
        with open_atomically(path) as file, closing(packed(frames, rows, packing)) as videos:
            for row, content in zip(rows, videos, strict=True):
                file.write(content)
                entry = {"video": frames.video(row), "offset": offset, "bytes": len(content)}
                entries.append(entry | {"crc32": zlib.crc32(content), "shape": frames.shape(row)})
                offset += len(content)
                on_video()
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise InputError(
            f"{path.parent}: no space left on the disk; free some and run the same again: it goes "
            "on at this file"
        ) from error
    facts = {"of": made_of(frames, rows, packing), "bytes": offset, "videos": entries}
    write_sealed(path.with_suffix(".json"), facts)
    return facts


def packed(frames: ClipStore, rows: list[int], packing: Store) -> Iterator[bytes]:
    """The packed optical flow of each video, a few computed at a time."""

    def one(row: int) -> bytes:
        video = frames.clip(row, np.arange(frames.shape(row)[0]))
        return packed_flow(optical_flow(video), frames.manifest["form"], packing)

    yield from ahead((partial(one, row) for row in rows), workers=threads())


if __name__ == "__main__":
    STAGE.run(main)
