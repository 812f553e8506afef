"""Lists the videos of any data set: made, found in a folder, or named by official lists."""

import math
from pathlib import Path

from hdc.data.index import missing_videos, read_table
from hdc.data.listing import Listing
from hdc.data.settings import Data, Store
from hdc.data.store import MANIFEST
from hdc.errors import InputError


def list_videos(data: Data, folder: str | Path) -> Listing:
    """The videos of a data set that is found, not made, and its splits.

    Raises InputError for a missing folder, lists other than the official ones or a bad pattern.
    """
    if data.official is not None:
        from hdc.data.official import list_official

        return list_official(folder, data.official, seed=data.seed)
    from hdc.data.folder import list_folder
    from hdc.data.splits import folds_by_group

    videos = list_folder(folder, data.folder.pattern)
    splits = folds_by_group(
        videos,
        folds=data.folder.folds,
        validation_groups=data.folder.validation_groups,
        seed=data.seed,
    )
    return Listing(videos, splits)


def count_shards(videos: int, store: Store) -> int:
    """How many files, and jobs, a number of videos falls into."""
    return math.ceil(videos / store.shard_videos)


def count_videos(
    data: Data, folder: str | Path, prepared: str | Path, *, allow_missing: bool
) -> tuple[int, int]:
    """How many videos are listed and how many of them are there; nothing is decoded.

    For a published data set that was prepared with all its videos, or one whose originals are gone
    since: as they were then. Raises InputError if the folder or the lists are not there, or if
    listed videos are missing and that is not allowed.
    """
    if data.synthetic is not None:
        made = data.synthetic
        return (made.train_videos + made.validation_videos + made.test_videos,) * 2
    listing = None
    if (Path(prepared) / MANIFEST).is_file():
        missing = missing_videos(prepared)
        complete = data.official is not None and not missing
        if complete or not Path(folder).is_dir():
            listed = read_table(Path(prepared) / "listed.csv", ("video", "label", "group"))
            paths = ["" if video in missing else "prepared" for video in listed.video]
            listing = Listing(listed.assign(path=paths), [])
    listing = listing or list_videos(data, folder)
    listing.require_found(folder, allow_missing=allow_missing)
    return len(listing.videos), len(listing.videos) - len(listing.missing)


def require_named(data: str, settings: Data, folder: str | None, prepared: str | Path) -> str:
    """The folder of a data set's videos, empty where they are made.

    Raises InputError if a study names none, or one that is not there and still needed.
    """
    if settings.synthetic is not None:
        return ""
    remedy = f"name it there or with --config 'data={{{data}: /path/to/videos}}'"
    if not folder:
        raise InputError(
            f"data: {data}: expected an existing folder of videos, got nothing; {remedy}"
        )
    found = Path(folder).expanduser()
    if not (Path(prepared) / MANIFEST).is_file() and not found.is_dir():
        raise InputError(
            f"data: {data}: expected an existing folder of videos, got {folder}; {remedy}"
        )
    return str(found)
