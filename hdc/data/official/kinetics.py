"""The lists of Kinetics-400, 600 and 700.

They are csv files of label, youtube_id, time_start, time_end, split and, in some, is_cc.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hdc.data.official.lists import Lists, find_list, join_parts
from hdc.runtime.errors import InputError

COLUMNS = ("youtube_id", "time_start", "time_end")
SUFFIXES = (".mp4", ".mkv", ".webm", ".avi")
_LISTS = {"train": "train.csv", "test": "val.csv"}  # the official test list has no labels


def read_lists(folder: Path, files: Sequence[Path], judged: bool) -> Lists:
    """The training list and, if the data set is `judged`, the official validation list as test.

    Videos are called `<youtube id>_<start>_<end>`, six digits each; a file may also be called by
    its id alone, in any folder. A group is a YouTube video.
    Raises InputError for a list that is missing or has another form.
    """
    tables = {}
    for part, ending in _LISTS.items():
        if part == "train" or judged:
            tables[part] = read_list(find_list(files, folder, ending, ending=True))
    table, parts = join_parts(tables, folder)
    # A file named by the id alone does not say which of two clips of one video it holds.
    alone = ~table.group.duplicated(keep=False)
    names = [
        (video, group) if single else (video,)
        for video, group, single in zip(table.video, table.group, alone, strict=True)
    ]
    return Lists(table, [parts], names, key)


def read_list(path: Path) -> pd.DataFrame:
    """The columns video, label (empty where the list has none) and group of one csv file."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a csv file, found: {error}") from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise InputError(f"{path}: expected a column {missing[0]}, found {', '.join(table)}")
    try:
        times = [table[column].astype(float).astype(int) for column in COLUMNS[1:]]
    except ValueError as error:
        raise InputError(f"{path}: expected times in seconds, found: {error}") from error
    start, end = (time.map("{:06d}".format) for time in times)
    return pd.DataFrame(
        {
            "video": table.youtube_id + "_" + start + "_" + end,
            "label": table.get("label", ""),
            "group": table.youtube_id,
        }
    )


def key(path: Path) -> str | None:
    """A file's name up to its first dot, if it is a video; ids hold no dot."""
    return path.name.split(".")[0] if path.suffix.casefold() in SUFFIXES else None
