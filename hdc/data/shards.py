"""Prepares a data set in parts that can be stopped at any video and go on there.

A shard is some hundred listed videos: `<number>-of-<total>.bin` holds their packed frames,
`.json` what is known of each and why others are rejected. Until both are whole, they are called
`.partial`, and a journal has a line for each finished video with a checksum of its bytes, so that
neither a kill nor a power cut leaves anything that a later run would wrongly believe. `.done` is
there for Snakemake, which deletes what it knows of before it asks for a part again: what is left of
the part then tells whether anything has to be decoded anew.
"""

import errno
import json
import os
import re
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

import pandas as pd

from hdc.atomic import write_text
from hdc.data.index import MISSING
from hdc.data.container import RejectedVideo
from hdc.data.isolation import Decoder, PackedVideo
from hdc.data.settings import Decoding, Store
from hdc.data.store import MANIFEST
from hdc.digest import digest
from hdc.errors import InputError
from hdc.lock import Lock
from hdc.progress import progress, threads

FOLDER = "shards"
FILES = re.compile(r"(\d{4,}-of-\d{4,})\.(bin|json|done|lock|bin\.partial|journal\.partial)")


@dataclass(frozen=True)
class Shard:
    """One part of the list of a data set that is prepared into `output`."""

    output: Path
    number: int  # from 1
    total: int

    @property
    def name(self) -> str:
        """Of its files, without their endings."""
        return f"{self.number:04d}-of-{self.total:04d}"

    @property
    def frames(self) -> Path:
        """The packed videos."""
        return self.output / FOLDER / f"{self.name}.bin"

    @property
    def facts(self) -> Path:
        """What is known of each video; written last."""
        return self.output / FOLDER / f"{self.name}.json"

    @property
    def stamp(self) -> Path:
        """That it is whole, for Snakemake."""
        return self.output / FOLDER / f"{self.name}.done"

    def rows(self, listed: pd.DataFrame) -> pd.DataFrame:
        """Its part of a list."""
        first, last = (
            len(listed) * number // self.total for number in (self.number - 1, self.number)
        )
        return listed.iloc[first:last]

    def read(self) -> dict[str, Any] | None:
        """Its facts, if it is whole."""
        if not (self.facts.is_file() and self.frames.is_file()):
            return None
        facts = json.loads(self.facts.read_text())
        return facts if self.frames.stat().st_size == facts["bytes"] else None


def prepare_shard(
    shard: Shard, listed: pd.DataFrame, decoding: Decoding, store: Store, *, form: str
) -> dict[str, Any]:
    """Decode and pack the shard's part of `listed` (video, path), unless that is done; its facts.

    Raises InputError if another process is at it, or if the disk is full; run again, it goes on
    where it was.
    """
    rows = shard.rows(listed)
    key = _key(rows, decoding, store, form)
    lock = Lock(shard.facts.with_suffix(".lock"))
    done = shard.read()
    if done is None or done["key"] != key:
        lists = [shard.output / name for name in ("index.csv", MANIFEST)]
        for path in (shard.stamp, shard.facts, *lists):
            path.unlink(missing_ok=True)  # from here on an older preparation is void
        done = _prepare_and_finish(shard, rows, key, decoding, store, form)
    write_text(shard.stamp, "")
    lock.release()
    return done


def _prepare_and_finish(
    shard: Shard, rows: pd.DataFrame, key: str, decoding: Decoding, store: Store, form: str
) -> dict[str, Any]:
    try:
        entries = _prepare(shard, rows, key, decoding, store, form)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{shard.frames.parent}: no space left on the disk; free some and run the same again: "
            "it goes on where it was"
        ) from error
    facts = {"key": key, "form": form, "bytes": shard.frames.stat().st_size, "videos": entries}
    write_text(shard.facts, json.dumps(facts))
    Journal.path_of(shard).unlink()
    return facts


def _prepare(
    shard: Shard, rows: pd.DataFrame, key: str, decoding: Decoding, store: Store, form: str
) -> list[dict[str, Any]]:
    """Everything up to the whole file of frames; returns an entry for each row."""
    partial = shard.frames.with_suffix(".bin.partial")
    with partial.open("ab") as file, Journal(shard, key) as journal:
        journal.recover(file, partial)
        offset, left = file.tell(), rows.iloc[len(journal.entries) :]
        packed = _in_order(left.path.tolist(), decoding, store, form)
        with progress(packed, total=len(left), unit="video", what="decoding") as bar:
            for video, outcome in zip(left.video, bar, strict=True):
                entry: dict[str, Any] = {"video": video}
                if isinstance(outcome, RejectedVideo):
                    if str(outcome) != MISSING:  # those are counted, in the end
                        print(f"rejected {video}: {outcome}", flush=True)
                    entry["rejected"] = str(outcome)
                else:
                    file.write(outcome.packed)
                    size = len(outcome.packed)
                    entry |= {"offset": offset, "bytes": size, "crc32": zlib.crc32(outcome.packed)}
                    entry |= {"shape": outcome.shape, "facts": outcome.facts}
                    offset += size
                file.flush()
                journal.add(entry)
        os.fsync(file.fileno())
    partial.replace(shard.frames)
    return journal.entries


class Journal:
    """The finished videos of a shard in progress, a line each, the shard's key first."""

    def __init__(self, shard: Shard, key: str) -> None:
        self.path, self.key = self.path_of(shard), key
        self.entries: list[dict[str, Any]] = []

    @staticmethod
    def path_of(shard: Shard) -> Path:
        """Where a shard's journal lies."""
        return shard.facts.with_suffix(".journal.partial")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "file"):
            self.file.close()

    def recover(self, frames: BinaryIO, path: Path) -> None:
        """Take over the videos whose bytes are all there, and cut off what lies behind them."""
        lines = self.path.read_bytes().split(b"\n")[:-1] if self.path.is_file() else []
        if lines and lines[0] == self.key.encode():
            self.entries = list(_believable(lines[1:], path))
        end = max((e["offset"] + e["bytes"] for e in self.entries if "offset" in e), default=0)
        frames.truncate(end)
        frames.seek(end)
        texts = [self.key, *map(json.dumps, self.entries)]
        write_text(self.path, "".join(f"{text}\n" for text in texts))
        self.file = self.path.open("a")

    def add(self, entry: dict[str, Any]) -> None:
        """Note a finished video; call it once its bytes are written."""
        self.entries.append(entry)
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()


def _believable(lines: list[bytes], path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a journal up to the first that is broken or whose bytes are not there."""
    with path.open("rb") as frames:
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                return
            if "offset" in entry:
                frames.seek(entry["offset"])
                if zlib.crc32(frames.read(entry["bytes"])) != entry["crc32"]:
                    return
            yield entry


def _key(rows: pd.DataFrame, decoding: Decoding, store: Store, form: str) -> str:
    """What a shard depends on: settings, files' sizes and times; not on where the files lie."""
    files = [
        (video, *_size_and_time(path)) for video, path in zip(rows.video, rows.path, strict=True)
    ]
    layout = (form, store.short_side, store.key_frame_every, store.rate_factor)
    return digest(json.dumps([asdict(decoding), layout, files]))


def _size_and_time(path: str) -> tuple[int, int]:
    """Size and time of a file; zeros for a missing one."""
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _in_order(
    paths: list[str], decoding: Decoding, store: Store, form: str
) -> Iterator[PackedVideo | RejectedVideo]:
    """Decode in child processes, a few videos ahead, and give outcomes in the order of `paths`."""
    workers = max(1, min(threads(), len(paths)))
    decoders = [Decoder(decoding, store, form) for _ in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        idle: SimpleQueue[Decoder] = SimpleQueue()
        for decoder in decoders:
            idle.put(decoder)

        def pack(path: str) -> PackedVideo | RejectedVideo:
            if not path:
                return RejectedVideo(MISSING)
            decoder = idle.get()
            try:
                return decoder.pack(path)
            except RejectedVideo as verdict:
                return verdict
            finally:
                idle.put(decoder)

        waiting: deque = deque()
        try:
            for path in paths:
                waiting.append(pool.submit(pack, path))
                if len(waiting) > 2 * workers:  # bounds the memory that decoded videos take
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            for decoder in decoders:  # or the pool would wait for what they are at
                decoder.close()
