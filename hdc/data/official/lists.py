"""What a reader of a published data set's lists returns, and what readers share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hdc.runtime.errors import InputError


@dataclass(frozen=True)
class Lists:
    """What the lists of a data set say.

    `videos` has the columns video, label and group; `parts` one dict a split, from a video to train
    or test; `names` for each video the keys that its file may have, the best first; `key` tells the
    key of a file, None for a file that is no video.
    """

    videos: pd.DataFrame
    parts: list[dict[str, str]]
    names: list[tuple[str, ...]]
    key: Callable[[Path], str | None]


def find_list(files: Sequence[Path], folder: Path, name: str, *, ending: bool = False) -> Path:
    """The list called `name`, or ending in it, among the files below a folder.

    Raises InputError if there is none, or if there are several that differ.
    """
    fits = str.endswith if ending else str.__eq__
    lists = [path for path in files if fits(path.name, name)]
    if not lists:
        raise InputError(
            f"{folder}: expected the list {'*' if ending else ''}{name} in it, found none; "
            "docs/datasets.md says where to get it"
        )
    if len({path.read_bytes() for path in lists}) > 1:
        names = " and ".join(map(str, lists[:2]))
        raise InputError(f"{folder}: expected one list {name}, found {names}; remove one")
    return lists[0]


def require_split_numbers(count: int, expected: int, path: Path | str) -> None:
    """Raise InputError unless a list has as many rows as were published."""
    if count != expected:
        raise InputError(
            f"{path}: expected {expected:,} videos, as published, found {count:,}; "
            "get the official lists again (docs/datasets.md)"
        )
