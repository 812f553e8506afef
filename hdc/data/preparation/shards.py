"""Prepares a data set in parts that can be stopped at any video and go on there.

A shard is some hundred listed videos: `<number>-of-<total>.bin` holds their packed frames,
`.json` what is known of each and why others are rejected, with checksums of its file and of its
packed frames. Prepared again, only a video is decoded whose file has another content or whose
stored frames are damaged; the others are copied. Until a shard is whole, it is called `.partial`,
and a journal (`journal.py`) has a line for each finished video, so that neither a kill nor a power
cut leaves anything that a later run would wrongly believe. `.done` is there for Snakemake, which
deletes what it knows of before it asks for a part again: what is left of the part then tells
whether anything has to be decoded anew.
"""

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pandas as pd

from hdc.data.index import MISSING
from hdc.data.integrity import frame_faults
from hdc.data.preparation.container import RejectedVideo
from hdc.data.preparation.entries import Appender, copy_entry, holds, new_entry
from hdc.data.preparation.journal import Journal
from hdc.data.preparation.packing import Cut
from hdc.data.preparation.sandbox import Decoder, PackedFile
from hdc.data.preparation.source_files import sha256_of, size_and_time, still
from hdc.data.store import MANIFEST
from hdc.runtime.atomic_files import write_text
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.lock import Lock
from hdc.runtime.lookahead import ahead
from hdc.runtime.progress import progress, threads
from hdc.runtime.sealed import read_sealed, write_sealed
from hdc.settings.added import dict_without_added
from hdc.settings.data import Decoding, Images, Store

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
    def journal(self) -> Path:
        """The finished videos while it is in progress."""
        return self.facts.with_suffix(".journal.partial")

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
        try:
            facts = read_sealed(self.facts, remedy="")
        except InputError:  # damaged: as if it were not there
            return None
        return facts if self.frames.stat().st_size == facts.get("bytes") else None


@dataclass(frozen=True)
class Packing:
    """How the videos of a data set are decoded and packed."""

    decoding: Decoding
    store: Store
    form: str
    images: Images | None = None
    segment_seconds: float | None = None

    @property
    def key(self) -> str:
        """Changes with every setting that the packed videos depend on.

        Which kinds of files are taken is asked of each entry instead (`entries.holds`).
        """
        decoding = dict_without_added(self.decoding)
        for name in ("other_containers", "other_codecs"):
            decoding.pop(name, None)
        layout = (self.form, self.store.short_side, self.store.key_frame_every)
        parts = [decoding, layout, self.store.rate_factor]
        parts += [asdict(self.images)] if self.images else []
        if self.store.fps is not None or self.segment_seconds is not None:
            parts += [self.store.fps, self.segment_seconds]
        return digest(json.dumps(parts))

    def cuts(self, rows: pd.DataFrame) -> list[Cut]:
        """How each file is cut."""
        if "spans" in rows:
            return [Cut(spans=spans) for spans in rows.spans]
        return [Cut(seconds=self.segment_seconds)] * len(rows)


def prepare_shard(shard: Shard, listed: pd.DataFrame, packing: Packing) -> dict[str, Any]:
    """Decode and pack the shard's part of `listed`, as far as not done; its facts.

    `listed` has video and path of files, and spans (start and end in seconds) where each is cut
    into pieces by them. A file is not decoded again as long as it has the same content, wherever it
    lies, and the bytes that are stored of it are those of then.
    Raises InputError if another process is at it, or if the disk is full; run again, it goes on
    where it was.
    """
    rows = shard.rows(listed)
    lock = Lock(shard.facts.with_suffix(".lock"))
    done = shard.read()
    if done is not None and done.get("key") != packing.key:
        done = None
    kept = _kept(shard, done, rows, packing) if done else {}
    if done and [entry["video"] for entry in done["videos"]] == [*rows.video] == [*kept]:
        facts = done | {"videos": list(kept.values())}
        if facts != done:  # files with other times, the same content
            write_sealed(shard.facts, facts)
    else:
        _void(shard, keep_facts=bool(kept))
        facts = _prepare_and_finish(shard, rows, kept, packing)
    write_text(shard.stamp, "")
    lock.release()
    return facts


def _void(shard: Shard, *, keep_facts: bool) -> None:
    """Make an older preparation unusable from here on."""
    lists = [shard.output / name for name in ("index.csv", MANIFEST)]
    for path in (shard.stamp, *lists, *([] if keep_facts else [shard.facts])):
        path.unlink(missing_ok=True)


def _kept(
    shard: Shard, done: dict[str, Any], rows: pd.DataFrame, packing: Packing
) -> dict[str, dict[str, Any]]:
    """The entries that still hold, by video: of the same content, whose stored bytes are whole."""
    entries = {entry["video"]: entry for entry in done["videos"]}
    kept = {}
    for video, path, cut in zip(rows.video, rows.path, packing.cuts(rows), strict=True):
        if video not in entries or not holds(entries[video], cut, packing.decoding):
            continue
        if source := still(entries[video]["source"], path):
            kept[video] = entries[video] | {"source": source}
    stored = [entry for entry in kept.values() if "crc32" in entry]
    for video, fault in frame_faults(shard.frames, stored):
        print(f"{video}: expected the frames that were stored, {fault}: decoded again", flush=True)
        del kept[video]
    return kept


def _prepare_and_finish(
    shard: Shard, rows: pd.DataFrame, kept: dict[str, dict[str, Any]], packing: Packing
) -> dict[str, Any]:
    try:
        entries = _prepare(shard, rows, kept, packing)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{shard.frames.parent}: no space left on the disk; free some and run the same again: "
            "it goes on where it was"
        ) from error
    size = shard.frames.stat().st_size
    facts = {"key": packing.key, "form": packing.form, "bytes": size, "videos": entries}
    write_sealed(shard.facts, facts)
    shard.journal.unlink()
    return facts


def _prepare(
    shard: Shard, rows: pd.DataFrame, kept: dict[str, dict[str, Any]], packing: Packing
) -> list[dict[str, Any]]:
    """Everything up to the whole file of frames; returns an entry for each row."""
    partial, cuts = shard.frames.with_suffix(".bin.partial"), packing.cuts(rows)

    def is_next(place: int, entry: dict[str, Any]) -> bool:
        if place >= len(rows) or entry["video"] != rows.video.iloc[place]:
            return False
        unchanged = still(entry["source"], rows.path.iloc[place]) is not None
        return unchanged and holds(entry, cuts[place], packing.decoding)

    with partial.open("ab") as file, Journal(shard.journal, packing.key) as journal:
        journal.recover(file, partial, is_next)
        to, done = Appender(file), len(journal.entries)
        videos = rows.video[done:]
        left = [
            (path, cut)
            for video, path, cut in zip(videos, rows.path[done:], cuts[done:], strict=True)
            if video not in kept
        ]
        with (
            closing(_in_order(left, packing, shard.frames.parent)) as decoded,
            progress(videos, total=len(videos), unit="video", what="decoding") as bar,
        ):
            for video, cut in zip(bar, cuts[done:], strict=True):
                if video in kept:
                    journal.add(copy_entry(kept[video], shard.frames, to))
                    continue
                packed, source = next(decoded)
                journal.add(new_entry(video, source, cut, packed, to))
                if isinstance(packed, PackedFile):
                    packed.close()
        os.fsync(file.fileno())
    partial.replace(shard.frames)
    return journal.entries


def _in_order(
    files: list[tuple[str, Cut]], packing: Packing, folder: Path
) -> Iterator[tuple[PackedFile | RejectedVideo, dict[str, Any]]]:
    """Decode in child processes, a few files ahead; outcomes and sources in the order of `files`.

    `folder`: where frames may lie until they are asked for.
    """
    workers = max(1, min(threads(), len(files)))
    settings = (packing.decoding, packing.store, packing.form, packing.images)
    decoders = [Decoder(*settings, folder=folder) for _ in range(workers)]
    idle: SimpleQueue[Decoder] = SimpleQueue()
    for decoder in decoders:
        idle.put(decoder)

    def pack(path: str, cut: Cut) -> tuple[PackedFile | RejectedVideo, dict[str, Any]]:
        size, modified = size_and_time(path)  # before it is read, so that a change meanwhile shows
        decoder = idle.get()
        sha256 = ""
        try:
            outcome = decoder.pack(path, cut) if path else RejectedVideo(MISSING)
            sha256 = outcome.sha256 if path else ""
        except RejectedVideo as verdict:
            outcome = verdict
        finally:
            idle.put(decoder)
        sha256 = sha256 or (sha256_of(path) if path else "")
        return outcome, {"bytes": size, "modified": modified, "sha256": sha256}

    tasks = (partial(pack, *file) for file in files)
    with closing(ahead(tasks, workers=workers, waiting=2 * workers)) as packed:
        try:
            yield from packed
        finally:
            for decoder in decoders:  # or the threads would finish what they have begun
                decoder.close()
