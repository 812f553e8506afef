"""Videos to lists and a store of clips: find or make them, decode each in full, resize, keep.

Writes index.csv (usable videos), rejected.csv (the others, with a reason), listed.csv (all),
split<K>.csv and the store of frames into the output folder. A file that cannot be used costs a row
of rejected.csv, never the run.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from hdc.atomic import open_atomically
from hdc.data.folder import list_folder
from hdc.data.index import INDEX_COLUMNS, write_table
from hdc.data.splits import folds_by_group
from hdc.data.store import MANIFEST, StoreWriter, frames_path
from hdc.data.verify import DecodedVideo, RejectedVideo, decode_video
from hdc.digest import digest
from hdc.errors import InputError
from hdc.progress import progress, threads
from hdc.settings import PREPARE_READS, SyntheticData
from hdc.stage import Stage

STAGE = Stage(
    name="prepare",
    about=__doc__,
    choices=("data",),
    arguments={
        "folder": "the folder of videos; empty for videos that are made",
        "output_dir": "results/data/<data>",
    },
    reads=PREPARE_READS,
    optional=("folder",),
)


def main(settings: SimpleNamespace, arguments: SimpleNamespace) -> None:
    """Prepare one data set."""
    data, output = settings.data, Path(arguments.output_dir)
    for name in ("index.csv", MANIFEST):  # from here on an older preparation is void
        (output / name).unlink(missing_ok=True)
    if data.synthetic is not None:
        listed = make_videos(data.synthetic, output / "videos")
        splits = [listed[["video", "part"]]]
        listed = listed.drop(columns="part")
    else:
        listed = list_folder(arguments.folder, data.folder.pattern)
        splits = folds_by_group(
            listed,
            folds=data.folder.folds,
            validation_groups=data.folder.validation_groups,
            seed=data.seed,
        )
    index, rejected = store_videos(
        listed, output, short_side=data.short_side, tolerance=data.frame_count_tolerance
    )
    write_table(output / "listed.csv", listed[["video", "label", "group"]])
    write_table(output / "rejected.csv", rejected)
    for number, split in enumerate(splits, start=1):
        write_table(output / f"split{number}.csv", split)
    write_table(output / "index.csv", index)  # last: whoever sees it sees all the rest
    print(f"prepared {len(index)} videos, rejected {len(rejected)}: {output}", flush=True)


def make_videos(synthetic: SyntheticData, folder: Path) -> pd.DataFrame:
    """Write the synthetic videos that are not there yet; returns their list with path and part."""
    from hdc.data.synthetic import FACTORS, VERSION, plan_videos, write_videos

    settings = dict(vars(synthetic))
    frames_per_second = settings.pop("frames_per_second")
    plan = plan_videos(**settings)
    # A file's name does not tell its settings, so other settings get another folder.
    folder = folder / digest(f"{VERSION}{sorted(vars(synthetic).items())}")
    with progress([], total=len(plan), unit="video", what="making videos") as bar:
        write_videos(
            plan,
            folder,
            frames=synthetic.frames,
            pixels=synthetic.pixels,
            frames_per_second=frames_per_second,
            workers=threads(),
            on_video=lambda _: bar.update(),
        )
    columns = ["video", "label", "group", "part", *FACTORS]
    return plan[columns].assign(path=[str(folder / video) for video in plan.video])


def store_videos(
    listed: pd.DataFrame, output: Path, *, short_side: int, tolerance: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decode and store every listed video; returns the index and the rejected ones.

    Raises InputError if not one of them is usable.
    """
    rows, rejected = [], []
    decode = partial(_decode, short_side=short_side, tolerance=tolerance)
    with open_atomically(frames_path(output)) as file:
        store = StoreWriter(output, file, short_side=short_side)
        decoded = _in_order(decode, listed.path)
        videos = zip(listed.itertuples(index=False), decoded, strict=True)
        for row, outcome in progress(videos, total=len(listed), unit="video", what="decoding"):
            if isinstance(outcome, RejectedVideo):
                print(f"rejected {row.video}: {outcome}", flush=True)
                rejected.append((row.video, str(outcome)))
            else:
                store.add(row.video, outcome.frames)
                rows.append(row._asdict() | _facts(outcome))
        if not rows:
            raise InputError(
                f"expected at least one usable video, found none among {len(listed)}; "
                f"the first: {rejected[0][0]}: {rejected[0][1]}"
            )
    store.finish()
    factors = [column for column in listed if column not in INDEX_COLUMNS]
    index = pd.DataFrame(rows)[[*INDEX_COLUMNS, *factors]]
    return index, pd.DataFrame(rejected, columns=["video", "reason"])


def _decode(path: str, *, short_side: int, tolerance: int) -> DecodedVideo | RejectedVideo:
    try:
        return decode_video(path, short_side=short_side, frame_count_tolerance=tolerance)
    except RejectedVideo as verdict:
        return verdict


def _in_order(decode: partial, paths: pd.Series) -> Iterator[DecodedVideo | RejectedVideo]:
    """Decode on threads, a few videos ahead, and give the outcomes in the order of `paths`."""
    workers = threads()
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        for path in paths:
            waiting.append(pool.submit(decode, path))
            if len(waiting) > 2 * workers:  # bounds the memory that decoded videos take
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _facts(video: DecodedVideo) -> dict:
    """What decoding tells about a video, by column of the index."""
    return {
        "frames": len(video.frames),
        "fps": video.fps,
        "width": video.width,
        "height": video.height,
        "seconds": None if video.seconds is None else round(video.seconds, 3),
        "sha256": video.sha256,
    }


if __name__ == "__main__":
    STAGE.run(main)
