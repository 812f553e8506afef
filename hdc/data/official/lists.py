"""What a reader of a published data set's lists returns, and what readers share."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hdc.runtime.errors import InputError


@dataclass(frozen=True)
class Lists:
    """What the lists of a data set say.

    `videos` has the columns video, label and group; `parts` one dict a split, from a video to train
    or test; `names` for each video the keys that its file may have, the best first; `key` tells the
    key of a file or of a folder of images, None for one that is no video; `labels` how many labels
    a list of their own has, 0 where there is none: then those of the videos count.
    """

    videos: pd.DataFrame
    parts: list[dict[str, str]]
    names: list[tuple[str, ...]]
    key: Callable[[Path], str | None]
    labels: int = 0


def find_list(files: Sequence[Path], folder: Path, *names: str, ending: bool = False) -> Path:
    """The list called by one of `names`, or ending in it, among the files below a folder.

    Raises InputError if there is none, or if there are several that differ.
    """
    fits = str.endswith if ending else str.__eq__
    lists = [path for path in files if any(fits(path.name, name) for name in names)]
    name = names[0]
    if not lists:
        raise InputError(
            f"{folder}: expected the list {'*' if ending else ''}{name} in it, found none; "
            "docs/datasets.md says where to get it"
        )
    if len({path.read_bytes() for path in lists}) > 1:
        names = " and ".join(map(str, lists[:2]))
        raise InputError(f"{folder}: expected one list {name}, found {names}; remove one")
    return lists[0]


def join_parts(
    tables: Mapping[str, pd.DataFrame], folder: Path
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The videos of the lists of all parts (video, label, group), sorted, and the part of each.

    Raises InputError for a video that stands twice.
    """
    videos = pd.concat(tables.values()).sort_values("video", ignore_index=True)
    if videos.video.duplicated().any():
        again = videos.video[videos.video.duplicated()].iloc[0]
        raise InputError(f"{folder}: expected every video once in the lists, found {again} again")
    parts = {video: part for part, table in tables.items() for video in table.video}
    return videos, parts


def read_json(path: Path) -> Any:
    """What a JSON file says. Raises InputError for a file that is none."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, found: {error}") from error


def read_json_rows(path: Path, keys: Sequence[str]) -> list[dict[str, Any]]:
    """A JSON list of objects that have these keys. Raises InputError for anything else."""
    rows = read_json(path)
    for row in rows if isinstance(rows, list) else [rows]:
        if not isinstance(row, dict) or not set(keys) <= row.keys():
            raise InputError(
                f"{path}: expected a list of objects with {' and '.join(keys)}, found {row!s:.80}"
            )
    return rows


def require_split_numbers(count: int, expected: int, path: Path | str) -> None:
    """Raise InputError unless a list has as many rows as were published."""
    if count != expected:
        raise InputError(
            f"{path}: expected {expected:,} videos, as published, found {count:,}; "
            "get the official lists again (docs/datasets.md)"
        )
