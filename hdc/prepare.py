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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from hdc.data.listing import Listing
from hdc.data.preparation.joining import join
from hdc.data.preparation.shards import Packing, Shard, prepare_shard
from hdc.data.preparation.sources import count_shards, list_videos
from hdc.data.preparation.store_form import choose_form
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.progress import progress, threads
from hdc.runtime.signals import stopping_at_once
from hdc.settings.data import Data, Decoding, Store, SyntheticData
from hdc.settings.stage import Stage, StageJob, argument, choice, node


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
    packing = how_to_pack(listing, job)
    files = listing.files
    total = count_shards(len(files), job.store) if job.shards is None else job.shards
    if total < 1:
        raise InputError(f"prepare: shards: expected 1 or more, got {total}")
    if job.shard is not None and not 1 <= job.shard <= total:
        raise InputError(f"prepare: shard: expected 1 to {total}, got {job.shard}")
    wanted = range(1, total + 1) if job.shard is None else [job.shard]
    shards = [Shard(job.output_dir, number, total) for number in wanted]
    facts = []
    for shard in shards:
        if make is not None:
            make(shard.rows(files).video)
        facts.append(prepare_shard(shard, files, packing))
    if job.shard is None:
        join(listing, shards, facts, packing.store, folder=job.folder, output=job.output_dir)
    else:
        print(f"prepared part {job.shard} of {total}: {shards[0].facts}", flush=True)


def how_to_pack(listing: Listing, job: PrepareJob) -> Packing:
    """How the files are decoded and stored: of a folder of the user's own more kinds are taken."""
    own, decoding = job.data_set.folder, job.decoding
    if own is None:
        decoding = replace(decoding, other_containers=[], other_codecs=[])
    form = choose_form(listing.files, job.data_set, decoding, job.store)
    seconds = own.segment_seconds if own is not None else None
    return Packing(decoding, job.store, form, job.data_set.images, seconds)


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


if __name__ == "__main__":
    STAGE.run(main)
