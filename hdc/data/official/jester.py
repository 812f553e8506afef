"""The lists of Jester v1: lines of an id and a label, `<id>;<label>`."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hdc.data.official.lists import Lists, find_list, join_parts
from hdc.runtime.errors import InputError

_LABELS = "jester-v1-labels.csv"
_LISTS = {  # the official test list has no labels
    "train": "jester-v1-train.csv",
    "test": "jester-v1-validation.csv",
}


def read_lists(folder: Path, files: Sequence[Path], judged: bool) -> Lists:
    """The training list and, if the data set is `judged`, the official validation list as test.

    A video is a folder of images that is called by its id. Nothing tells which videos one person
    made, so each is a group of its own.
    Raises InputError for a list that is missing or has another form.
    """
    labels = [line.strip() for line in _lines(find_list(files, folder, _LABELS))]
    tables = {}
    for part, name in _LISTS.items():
        if part == "train" or judged:
            tables[part] = _read_list(find_list(files, folder, name), labels)
    videos, parts = join_parts(tables, folder)
    return Lists(videos, [parts], [(video,) for video in videos.video], key, len(labels))


def key(path: Path) -> str | None:
    """The id that a folder of images has as its name."""
    return path.name if path.name.isdecimal() else None


def _read_list(path: Path, labels: Sequence[str]) -> pd.DataFrame:
    rows = [line.strip().split(";") for line in _lines(path)]
    for row in rows:
        if len(row) != 2 or row[1] not in labels:
            raise InputError(
                f"{path}: expected lines <id>;<label> of {len(labels)} labels, "
                f"found {';'.join(row)}"
            )
    ids = [row[0] for row in rows]
    return pd.DataFrame({"video": ids, "label": [row[1] for row in rows], "group": ids})


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
