"""Lists the videos of any data set: made, found in a folder, or named by official lists."""

import math
from pathlib import Path

import pandas as pd

from hdc.data.index import missing_videos, read_table
from hdc.data.listing import Listing
from hdc.data.preparation.changes import source_paths
from hdc.data.store import MANIFEST, list_faults, read_manifest
from hdc.runtime.errors import InputError
from hdc.settings.data import Data, FolderData, Store, SyntheticData


def list_videos(data: Data, folder: str | Path) -> Listing:
    """The videos of a data set that is found, not made, and its splits.

    Raises InputError for a missing folder, lists other than the official ones or a bad pattern.
    """
    images = data.images is not None
    if data.official is not None:
        from hdc.data.official.listing import list_official

        return list_official(folder, data.official, seed=data.seed, images=images)
    return _list_own(data.folder, folder, seed=data.seed, images=images)


def _list_own(settings: FolderData, folder: str | Path, *, seed: int, images: bool) -> Listing:
    from hdc.data.preparation.folder import list_folder
    from hdc.data.preparation.segments import list_segments
    from hdc.data.splits import folds_by_group, folds_by_pair

    by_path = settings.segments is None and settings.folds > 0
    videos = list_folder(folder, settings.pattern, images=images, labelled=by_path)
    recordings, hint = None, ""
    if settings.segments is not None:
        videos, recordings = list_segments(Path(folder, settings.segments), videos)
        hint = f"{settings.segments} names them, and data.folder.pattern has to match them"
    splits = []
    if settings.folds:
        split = folds_by_pair if settings.unseen == "pairs" else folds_by_group
        splits = split(
            videos,
            folds=settings.folds,
            validation_groups=settings.validation_groups,
            seed=seed,
        )
    return Listing(videos, splits, hint, recordings)


def count_shards(files: int, store: Store) -> int:
    """How many files of the store, each one job, a number of files of videos makes."""
    return math.ceil(files / store.shard_videos)


def look_up(
    data: Data, folder: str | Path, prepared: str | Path, *, allow_missing: bool
) -> Listing:
    """The videos of a data set that is found, not made, with their paths; nothing is decoded.

    Those of a published data set that was prepared with all its videos, or of one whose originals
    are gone since, are listed as they were then. Raises InputError if the folder or the lists are
    not there, or if listed videos are missing and that is not allowed.
    """
    listing = None
    if (Path(prepared) / MANIFEST).is_file():
        missing = missing_videos(prepared)
        complete = data.official is not None and not missing
        if complete or not Path(folder).is_dir():
            listed = read_table(Path(prepared) / "listed.csv", ("video", "label", "group"))
            places = source_paths(prepared, folder)
            paths = [
                "" if video in missing else places.get(video, "prepared") for video in listed.video
            ]
            recordings = None
            if set(places) - set(listed.video):  # videos are pieces of files
                recordings = pd.DataFrame({"video": places.keys(), "path": places.values()})
            listing = Listing(listed.assign(path=paths), [], recordings=recordings)
    listing = listing or list_videos(data, folder)
    listing.require_found(folder, allow_missing=allow_missing)
    return listing


def count_made(made: SyntheticData) -> int:
    """How many videos a synthetic data set has."""
    return made.train_videos + made.validation_videos + made.test_videos


def require_whole(prepared: str | Path) -> None:
    """Raise InputError if the manifest or a list of a data set is damaged, as far as prepared."""
    prepared = Path(prepared)
    if (prepared / MANIFEST).is_file():
        lists = read_manifest(prepared).get("lists", {})
        there = {name: text for name, text in lists.items() if (prepared / name).is_file()}
        for fault in list_faults(prepared, {"lists": there}):
            raise InputError(fault)


def require_named(data: str, settings: Data, folder: str | None, prepared: str | Path) -> str:
    """The folder of a data set's videos, empty where they are made.

    Raises InputError if a study names none, or a missing one that is still needed.
    """
    if settings.synthetic is not None:
        return ""
    remedy = f"name it there or with --config 'data={{{data}: /path/to/videos}}'"
    if not folder:
        raise InputError(
            f"data: {data}: expected an existing folder of videos, got nothing; {remedy}"
        )
    path = Path(folder)
    if not (Path(prepared) / MANIFEST).is_file() and not path.is_dir():
        raise InputError(
            f"data: {data}: expected an existing folder of videos, got {folder}; {remedy}"
        )
    return str(path)
