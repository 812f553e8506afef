"""The lists of Something-Something v2: JSON lists of ids, each with the template of its label."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hdc.data.official.lists import Lists, find_list, join_parts, read_json, read_json_rows
from hdc.runtime.errors import InputError

_PREFIX = "something-something-v2-"  # later packages leave it out
_LISTS = {"train": "train.json", "test": "validation.json"}  # the official test list has no labels


def read_lists(folder: Path, files: Sequence[Path], judged: bool) -> Lists:
    """The training list and, if the data set is `judged`, the official validation list as test.

    A label is a template, such as `Putting [something] into [something]`. Nothing tells which
    videos one person made, so each is a group of its own.
    Raises InputError for a list that is missing or has another form.
    """
    labels = read_json(_find("labels.json", folder, files))
    tables = {}
    for part, ending in _LISTS.items():
        if part == "train" or judged:
            path = _find(ending, folder, files)
            tables[part] = _read_list(path, labels)
    videos, parts = join_parts(tables, folder)
    return Lists(videos, [parts], [(video,) for video in videos.video], key, len(labels))


def key(path: Path) -> str | None:
    """The id that a video's file has as its name; a folder of its frames has no ending."""
    return path.stem if path.suffix.casefold() in (".webm", "") else None


def _find(ending: str, folder: Path, files: Sequence[Path]) -> Path:
    return find_list(files, folder, f"{_PREFIX}{ending}", ending)


def _read_list(path: Path, labels: dict[str, str]) -> pd.DataFrame:
    rows = read_json_rows(path, ("id", "template"))
    for row in rows:
        # Templates bracket what is to be filled in, the list of labels does not.
        if row["template"].replace("[", "").replace("]", "") not in labels:
            raise InputError(
                f"{path}: expected templates of {len(labels)} labels, found {row['template']}"
            )
    ids = [row["id"] for row in rows]
    return pd.DataFrame({"video": ids, "label": [row["template"] for row in rows], "group": ids})
