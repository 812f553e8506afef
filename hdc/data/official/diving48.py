"""The lists of Diving48 v2: JSON lists of videos with the number of their label."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hdc.data.official.lists import Lists, find_list, join_parts, read_json, read_json_rows
from hdc.runtime.errors import InputError

_LISTS = {"train": "Diving48_V2_train.json", "test": "Diving48_V2_test.json"}
_LABELS = "Diving48_vocab.json"


def read_lists(folder: Path, files: Sequence[Path], judged: bool) -> Lists:
    """The training list and, if the data set is `judged`, the test list.

    A label is the words of a dive: `Back 15som 05Twis FREE`. A video is a clip of a competition,
    `<youtube id>_<number>`. That no competition is in both lists is said nowhere, so each clip is a
    group of its own.
    Raises InputError for a list that is missing or has another form.
    """
    path = find_list(files, folder, _LABELS)
    labels = [" ".join(words) for words in read_json(path)]
    tables = {}
    for part, name in _LISTS.items():
        if part == "train" or judged:
            tables[part] = _read_list(find_list(files, folder, name), labels)
    videos, parts = join_parts(tables, folder)
    return Lists(videos, [parts], [(video,) for video in videos.video], key, len(labels))


def key(path: Path) -> str | None:
    """A video's name; a folder of its frames has no ending."""
    return path.stem if path.suffix.casefold() in (".mp4", "") else None


def _read_list(path: Path, labels: Sequence[str]) -> pd.DataFrame:
    rows = read_json_rows(path, ("vid_name", "label"))
    for row in rows:
        if row["label"] not in range(len(labels)):
            raise InputError(
                f"{path}: expected labels from 0 to {len(labels) - 1}, found {row['label']}"
            )
    names = [row["vid_name"] for row in rows]
    return pd.DataFrame(
        {"video": names, "label": [labels[row["label"]] for row in rows], "group": names}
    )
