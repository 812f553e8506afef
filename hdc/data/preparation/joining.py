"""From the finished parts of a data set to its lists and the manifest of its store."""

from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from hdc.data.index import INDEX_COLUMNS, table_text
from hdc.data.listing import Listing
from hdc.data.preparation.changes import write_sources
from hdc.data.preparation.entries import videos_of
from hdc.data.preparation.remarks import remarks
from hdc.data.preparation.shards import FILES, FOLDER, Shard
from hdc.data.store import MANIFEST, manifest_text
from hdc.runtime.atomic_files import write_text
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.lock import Lock
from hdc.settings.data import Store

FILE_COLUMNS = (
    "container", "codec", "claimed_frames", "fps_varies", "rotation", "mirrored",
    "orientation_fault", "truncation", "fps_assumed",
)  # fmt: skip
_NOT_NOTED = {"truncation": "", "fps_assumed": False}  # by older preparations, of strict kinds


def join(
    listing: Listing,
    shards: list[Shard],
    facts: list[dict[str, Any]],
    store: Store,
    *,
    folder: Path | None,
    output: Path,
) -> None:
    """Write the lists and the store's manifest of a data set whose shards are all whole.

    `folder` of the videos, none where they are made. Raises InputError if none is usable.
    """
    lock = Lock(output / "lists.lock")
    files = listing.files
    rows, stored, rejected = sort_out(facts)
    listing = listing.with_pieces(pieces_by_file(facts))
    remove_others(output / FOLDER, shards)
    texts = list_texts(listing, pd.DataFrame(rows), rejected)
    texts[MANIFEST] = manifest_text(
        form=facts[0]["form"],
        short_side=store.short_side,
        key_frame_every=store.key_frame_every,
        shards=[
            {"file": str(shard.frames.relative_to(output)), "bytes": shard_facts["bytes"]}
            for shard, shard_facts in zip(shards, facts, strict=True)
        ],
        videos=stored,
        lists={name: digest(text) for name, text in texts.items()},
    )
    write_what_differs(texts, output)
    entries = [entry for shard_facts in facts for entry in shard_facts["videos"]]
    write_sources(output, str(folder or ""), files.path, entries)
    for line in remarks(rows, store):
        print(line, flush=True)
    missing = len(listing.missing)
    counts = f"prepared {len(rows):,} videos, rejected {len(rejected) - missing:,}"
    print(f"{counts}, missing {missing:,}: {output}", flush=True)
    lock.release()


def write_what_differs(texts: dict[str, str], output: Path) -> None:
    """Write files by name in this order, those that are not there yet with the same content.

    What is already right keeps its time, so that nothing that depends on it seems out of date.
    """
    paths = {output / name: text for name, text in texts.items()}
    for path in [path for path, text in paths.items() if _holds(path, text)]:
        del paths[path]
    for name in ("index.csv", MANIFEST):  # without these nobody reads the others
        if output / name in paths:
            (output / name).unlink(missing_ok=True)
    for path, text in paths.items():
        write_text(path, text)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def sort_out(facts: list[dict[str, Any]]) -> tuple[list[dict], list[dict], list[tuple[str, str]]]:
    """Of all shards: facts about usable videos, where each is stored, and rejected ones' reasons.

    Raises InputError if no video is usable.
    """
    rows, stored, rejected = [], [], []
    for place, shard_facts in enumerate(facts):
        for entry in chain.from_iterable(map(videos_of, shard_facts["videos"])):
            if "rejected" in entry:
                rejected.append((entry["video"], entry["rejected"]))
                continue
            rows.append({"video": entry["video"]} | _NOT_NOTED | entry["facts"])
            where = {key: entry[key] for key in ("offset", "bytes", "crc32", "shape")}
            stored.append({"video": entry["video"], "shard": place} | where)
    if not rows:
        raise InputError(
            f"expected at least one usable video, found none among {len(rejected)}; "
            f"the first: {rejected[0][0]}: {rejected[0][1]}"
        )
    return rows, stored, rejected


def pieces_by_file(facts: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The names of the pieces of each file that was cut and is usable, by the file's name."""
    return {
        entry["video"]: [piece["video"] for piece in entry["pieces"]]
        for shard_facts in facts
        for entry in shard_facts["videos"]
        if "pieces" in entry and "rejected" not in entry
    }


def list_texts(
    listing: Listing, usable: pd.DataFrame, rejected: list[tuple[str, str]]
) -> dict[str, str]:
    """Every list of a data set as CSV; index.csv last: whoever sees it sees the others."""
    listed = listing.videos
    index = usable.merge(listed, on="video", how="left", validate="one_to_one")
    factors = [column for column in listed if column not in INDEX_COLUMNS]
    tables = {
        "listed.csv": listed[["video", "label", "group"]],
        "rejected.csv": pd.DataFrame(rejected, columns=["video", "reason"]),
        "files.csv": index[["video", *FILE_COLUMNS]],
        **{f"split{number}.csv": split for number, split in enumerate(listing.splits, start=1)},
        "index.csv": index[[*INDEX_COLUMNS, *factors]],
    }
    return {name: table_text(table) for name, table in tables.items()}


def remove_others(folder: Path, shards: list[Shard]) -> None:
    """Delete what earlier preparations with another number of shards left in the store."""
    names = {shard.name for shard in shards}
    for path in folder.iterdir():
        match = FILES.fullmatch(path.name)
        if match and match[1] not in names:
            path.unlink()
