"""Videos to lists and a store of clips: find or make them, decode each in full, resize, keep.

Writes index.csv (usable videos), files.csv (what their files are), rejected.csv (the others, with a
reason), listed.csv (all), split<K>.csv and the store of frames into the output folder. A file that
cannot be used costs a row of rejected.csv, never the run; none is ever changed or deleted.

Stopped, it goes on at the video where it was. Run again, it decodes only videos whose files have
another content, and those whose stored frames or facts are damaged. With `shard=` only one part is
prepared, so that several jobs can share the work; without, all that are not done yet, and then the
lists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from hdc.data.index import INDEX_COLUMNS, table_text
from hdc.data.listing import Listing
from hdc.data.preparation.changes import write_sources
from hdc.data.preparation.images import CONTAINER
from hdc.data.preparation.shards import FILES, FOLDER, Shard, prepare_shard
from hdc.data.preparation.sources import count_shards, list_videos
from hdc.data.preparation.store_form import choose_form
from hdc.data.store import MANIFEST, manifest_text
from hdc.runtime.atomic_files import write_text
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.lock import Lock
from hdc.runtime.progress import progress, threads
from hdc.runtime.signals import stopping_at_once
from hdc.settings.data import Data, Decoding, Store, SyntheticData
from hdc.settings.stage import Stage, StageJob, argument, choice, node

FILE_COLUMNS = (
    "container", "codec", "claimed_frames", "fps_varies", "rotation", "mirrored",
    "orientation_fault",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PrepareJob(StageJob):
    """What preparing a data set, or a part of one, is told."""

    data: str = choice()
    folder: Path | None = argument(
        "the folder of videos; empty for videos that are made", default=None
    )
    output_dir: Path = argument("results/data/<data>")
    allow_missing: bool = argument(
        "true: go on without listed videos that are not there", default=False
    )
    shard: int | None = argument(
        "number of one part to prepare, from 1; empty: all, then the lists", default=None
    )
    shards: int | None = argument("number of parts; empty: by store.shard_videos", default=None)
    data_set: Data = node("data")
    decoding: Decoding = node()
    store: Store = node()


STAGE = Stage("prepare", __doc__, PrepareJob)


def main(job: PrepareJob) -> None:
    """Prepare one data set, or one part of it, until a signal stops it."""
    with stopping_at_once("what is done is kept, run the same again to go on"):
        prepare(job)


def prepare(job: PrepareJob) -> None:
    """Find or make the videos, pack those that are not yet, write the lists."""
    listing, make = list_or_plan(job)
    listing.require_found(str(job.folder or ""), allow_missing=job.allow_missing)
    listed = listing.videos
    form = choose_form(listed, job.data_set, job.decoding, job.store)
    total = count_shards(len(listed), job.store) if job.shards is None else job.shards
    if total < 1:
        raise InputError(f"prepare: shards: expected 1 or more, got {total}")
    if job.shard is not None and not 1 <= job.shard <= total:
        raise InputError(f"prepare: shard: expected 1 to {total}, got {job.shard}")
    wanted = range(1, total + 1) if job.shard is None else [job.shard]
    shards = [Shard(job.output_dir, number, total) for number in wanted]
    facts = []
    for shard in shards:
        if make is not None:
            make(shard.rows(listed).video)
        images = job.data_set.images
        facts.append(
            prepare_shard(shard, listed, job.decoding, job.store, form=form, images=images)
        )
    if job.shard is None:
        join(listing, shards, facts, job)
    else:
        print(f"prepared part {job.shard} of {total}: {shards[0].facts}", flush=True)


def list_or_plan(job: PrepareJob) -> tuple[Listing, Callable[[pd.Series], None] | None]:
    """The videos that are there, or those that are to be made and what writes some of them."""
    if job.data_set.synthetic is not None:
        return plan_made(job.data_set.synthetic, job.output_dir / "videos")
    if job.folder is None:
        raise InputError("prepare: folder: expected the folder of the videos, got nothing")
    require_apart(job.folder, job.output_dir)
    return list_videos(job.data_set, str(job.folder)), None


def require_apart(folder: Path, output: Path) -> None:
    """Raise InputError if the output is in the folder of videos, where nothing may be changed."""
    if output.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"output_dir: expected a folder outside of the videos' {folder}, got {output}"
        )


def plan_made(
    synthetic: SyntheticData, folder: Path
) -> tuple[Listing, Callable[[pd.Series], None]]:
    """The list of synthetic videos, and a function that writes those of some names."""
    from hdc.data.synthetic.videos import FACTORS, VERSION, plan_videos

    settings = dict(vars(synthetic))
    del settings["frames_per_second"]
    plan = plan_videos(**settings)
    # A file's name does not tell its settings, so other settings get another folder.
    folder = folder / digest(f"{VERSION}{sorted(vars(synthetic).items())}")
    factors = [factor for factor in FACTORS if factor in plan]
    paths = [str(folder / video) for video in plan.video]
    listed = plan[["video", "label", "group", *factors]].assign(path=paths)
    make = partial(make_videos, synthetic, plan.set_index("video", drop=False), folder)
    return Listing(listed, [plan[["video", "part"]]]), make


def make_videos(
    synthetic: SyntheticData, plan: pd.DataFrame, folder: Path, videos: pd.Series
) -> None:
    """Write those of the planned videos that are not there yet."""
    from hdc.data.synthetic.videos import write_videos

    with progress([], total=len(videos), unit="video", what="making videos") as bar:
        write_videos(
            plan.loc[videos],
            folder,
            frames=synthetic.frames,
            pixels=synthetic.pixels,
            frames_per_second=synthetic.frames_per_second,
            workers=threads(),
            on_video=lambda _: bar.update(),
        )


def join(
    listing: Listing,
    shards: list[Shard],
    facts: list[dict[str, Any]],
    job: PrepareJob,
) -> None:
    """Write the lists and the store's manifest of a data set whose shards are all whole.

    Raises InputError if not one of its videos is usable.
    """
    output = job.output_dir
    lock = Lock(output / "lists.lock")
    rows, stored, rejected = sort_out(facts)
    remove_others(output / FOLDER, shards)
    texts = list_texts(listing, pd.DataFrame(rows), rejected)
    texts[MANIFEST] = manifest_text(
        form=facts[0]["form"],
        short_side=job.store.short_side,
        key_frame_every=job.store.key_frame_every,
        shards=[
            {"file": str(shard.frames.relative_to(output)), "bytes": shard_facts["bytes"]}
            for shard, shard_facts in zip(shards, facts, strict=True)
        ],
        videos=stored,
        lists={name: digest(text) for name, text in texts.items()},
    )
    write_what_differs(texts, output)
    entries = [entry for shard_facts in facts for entry in shard_facts["videos"]]
    write_sources(output, str(job.folder or ""), listing.videos.path, entries)
    print(said_of_orientation(rows), said_of_gaps(rows), sep="", end="", flush=True)
    missing = len(listing.missing)
    counts = f"prepared {len(rows):,} videos, rejected {len(rejected) - missing:,}"
    print(f"{counts}, missing {missing:,}: {output}", flush=True)
    lock.release()


def said_of_orientation(rows: list[dict[str, Any]]) -> str:
    """A line on videos that are not stored as a player shows them; nothing if all are."""
    faulty = [row for row in rows if row["orientation_fault"]]
    if not faulty:
        return ""
    example = faulty[0]
    return (
        f"not stored as a player shows them (orientation_fault in files.csv): {len(faulty):,} of "
        f"{len(rows):,} videos, such as {example['video']}: {example['orientation_fault']}\n"
    )


def said_of_gaps(rows: list[dict[str, Any]]) -> str:
    """A line on folders of images whose numbers have gaps; nothing if none has."""
    gaps = {
        row["video"]: row["claimed_frames"] - row["frames"]
        for row in rows
        if row["container"] == CONTAINER
    }
    videos = [video for video, missing in gaps.items() if missing]
    if not videos:
        return ""
    return (
        f"numbers of images have gaps (claimed_frames in files.csv above frames in "
        f"index.csv): {len(videos):,} of {len(rows):,} videos, such as {videos[0]}: "
        f"{gaps[videos[0]]} missing between the first and the last\n"
    )


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
        for entry in shard_facts["videos"]:
            if "rejected" in entry:
                rejected.append((entry["video"], entry["rejected"]))
                continue
            rows.append({"video": entry["video"]} | entry["facts"])
            where = {key: entry[key] for key in ("offset", "bytes", "crc32", "shape")}
            stored.append({"video": entry["video"], "shard": place} | where)
    if not rows:
        raise InputError(
            f"expected at least one usable video, found none among {len(rejected)}; "
            f"the first: {rejected[0][0]}: {rejected[0][1]}"
        )
    return rows, stored, rejected


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


if __name__ == "__main__":
    STAGE.run(main)
