"""Published data sets: their own lists, their own splits, and the files as people unpack them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hdc.data.listing import Listing, files_below, require_folder, require_plain_name
from hdc.data.official.lists import Lists, require_split_numbers
from hdc.data.splits import hold_out_groups
from hdc.runtime.errors import InputError
from hdc.runtime.named_function import named_function
from hdc.settings.data import OfficialData


def list_official(
    folder: str | Path, official: OfficialData, *, seed: int, images: bool = False
) -> Listing:
    """The videos and splits of a published data set; lists and videos lie anywhere below `folder`.

    `images`: videos are folders of images. Validation is held out of each training part by group,
    the same number for each label.
    Raises InputError for a missing folder or list, for numbers that are not the published ones and
    for two files of one video.
    """
    folder = require_folder(folder)
    files = files_below(folder, images=images)
    read, settings = named_function(official.lists)
    lists = read(folder, files, len(official.test_videos) > 0, **settings)
    _require_numbers(lists, official, folder)
    paths = _locate(lists, files, images=images)
    videos = lists.videos.assign(path=paths)
    splits = [
        hold_out_groups(lists.videos, parts, groups=official.validation_groups, seed=seed, split=k)
        for k, parts in enumerate(lists.parts[: len(official.test_videos)], start=1)
    ]
    return Listing(videos, splits, hint=_hint(files, official.reader))


def _require_numbers(lists: Lists, official: OfficialData, folder: Path) -> None:
    labels = lists.labels or lists.videos.label.nunique()
    if labels != official.labels:
        raise InputError(
            f"{folder}: expected lists of {official.labels} labels, as published, found {labels}; "
            "get the official lists again (docs/datasets.md)"
        )
    for number, parts in enumerate(lists.parts):
        counts = pd.Series(parts).value_counts()
        for part, published in (("train", official.train_videos), ("test", official.test_videos)):
            if number < len(published):
                where = f"{folder}: {part} list {number + 1}"
                require_split_numbers(int(counts.get(part, 0)), published[number], where)


def _locate(lists: Lists, files: Sequence[Path], *, images: bool) -> list[str]:
    """The path of each video, empty for a missing one."""
    is_video = Path.is_dir if images else Path.is_file  # no pipe, no broken link
    by_key: dict[str, list[Path]] = {}
    for path in files:
        if (key := lists.key(path)) is not None:
            by_key.setdefault(key, []).append(path)
    paths = []
    for video, names in zip(lists.videos.video, lists.names, strict=True):
        matches = next((by_key[name] for name in names if name in by_key), [])
        matches = [path for path in matches if is_video(path)]
        if len(matches) > 1:
            raise InputError(
                f"{video}: expected one {'folder' if images else 'file'}, found {matches[0]} and "
                f"{matches[1]}; move one away"
            )
        if matches:
            require_plain_name(matches[0])
        paths.append(str(matches[0]) if matches else "")
    return paths


def _hint(files: Sequence[Path], name: str) -> str:
    """What to do about missing videos."""
    packed = [path for path in files if path.suffix == ".rar"]
    if packed:
        where = packed[0].parent
        return (
            f"{len(packed)} .rar archives there are still packed: "
            f"(cd '{where}' && for archive in *.rar; do unrar x -o- \"$archive\"; done)"
        )
    return f"unpack all of {name} there (docs/datasets.md)"
