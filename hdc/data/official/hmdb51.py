"""The lists of HMDB51: `<label>_test_split<K>.txt`, names with 0, 1 (train) or 2 (test)."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hdc.data.official.lists import Lists
from hdc.runtime.errors import InputError

SPLITS = (1, 2, 3)
_LIST = re.compile(r"(?P<label>.+)_test_split(?P<split>\d)\.txt")
_PARTS = {"0": None, "1": "train", "2": "test"}


def read_lists(folder: Path, files: Sequence[Path], judged: bool) -> Lists:
    """Videos and parts as the lists below `folder` give them; unused videos are in no part.

    A group is a label and a source: names are `<source>_<label>_<six properties>.avi`. One film may
    give clips to several labels, and the official splits keep its clips apart only within a label.
    Raises InputError for a list that is missing or has another form.
    """
    parts: list[dict[str, str]] = [{} for _ in SPLITS]
    groups: dict[str, tuple[str, str]] = {}
    lists = [(match, path) for path in files if (match := _LIST.fullmatch(path.name))]
    if not lists:
        raise InputError(
            f"{folder}: expected lists <label>_test_split<K>.txt in it, found none; "
            "docs/datasets.md says where to get them"
        )
    for match, path in lists:
        label, split = match["label"], int(match["split"])
        for name, part in _rows(path):
            video = f"{label}/{name}"
            groups[video] = (label, f"{label}/{_source(name, label)}")
            if part is not None and split in SPLITS:
                parts[split - 1][video] = part
    videos = sorted(groups)
    table = pd.DataFrame(
        {
            "video": videos,
            "label": [groups[video][0] for video in videos],
            "group": [groups[video][1] for video in videos],
        }
    )
    return Lists(table, parts, [(video.split("/")[1],) for video in videos], key)


def key(path: Path) -> str | None:
    """A file's name, if it is a video."""
    return path.name if path.suffix.casefold() == ".avi" else None


def _rows(path: Path) -> list[tuple[str, str | None]]:
    """Names and parts of a list. Names hold `! ( ) [ ] & # ; +`, which nothing may expand."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        if not line.strip():
            continue
        name, _, part = line.strip().rpartition(" ")
        if part not in _PARTS or not name.endswith(".avi"):
            raise InputError(f"{path}: expected <name>.avi and 0, 1 or 2, found {line.strip()}")
        rows.append((name.strip(), _PARTS[part]))
    return rows


def _source(name: str, label: str) -> str:
    """The source of a clip: what stands before its label and its first property (what is seen)."""
    match = re.match(rf"(.+)_{re.escape(label)}_[fuhl]_", name)
    return match[1] if match else name
