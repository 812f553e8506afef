"""The lists of UCF101: classInd.txt, trainlist0K.txt and testlist0K.txt."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hdc.data.official.lists import Lists, find_list
from hdc.runtime.errors import InputError

SPLITS = (1, 2, 3)
_NAME = re.compile(r"v_.+_(?P<group>g\d+)_c\d+\.avi")


def read_lists(folder: Path, files: Sequence[Path], judged: bool) -> Lists:
    """Videos and parts as the lists below `folder` give them.

    A group is a label and a number: clips of one group are cut from one source video.
    Raises InputError for a list that is missing or has another form.
    """
    numbers = _label_numbers(find_list(files, folder, "classInd.txt"))
    parts: list[dict[str, str]] = []
    for split in SPLITS:
        parts.append({})
        for part in ("train", "test"):
            path = find_list(files, folder, f"{part}list{split:02d}.txt")
            for video in _videos(path, numbers):
                if video in parts[-1]:
                    raise InputError(f"{path}: expected every video once, found {video} again")
                parts[-1][video] = part
    videos = sorted(set().union(*parts))
    labels = [video.split("/")[0] for video in videos]
    groups = [f"{video.split('/')[0]}_{_match(video)['group']}" for video in videos]
    table = pd.DataFrame({"video": videos, "label": labels, "group": groups})
    # Compared without case: lists and folders write HandstandPushups and HandStandPushups.
    names = [(video.split("/")[1].casefold(),) for video in videos]
    return Lists(table, parts, names, key)


def key(path: Path) -> str | None:
    """A file's name without case, if it is a video."""
    return path.name.casefold() if path.suffix.casefold() == ".avi" else None


def _label_numbers(path: Path) -> dict[str, str]:
    """Labels by number, both as text."""
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if not all(len(row) == 2 for row in rows):
        raise InputError(f"{path}: expected lines of a number and a label")
    return dict(rows)


def _videos(path: Path, numbers: dict[str, str]) -> list[str]:
    """The videos of a list, `<label>/<name>.avi` and in training lists the label's number."""
    videos = []
    for line in path.read_text().splitlines():  # the lists have CRLF ends
        if not line.strip():
            continue
        video, *number = line.split()
        label = video.split("/")[0]
        if _match(video) is None or (number and numbers.get(number[0]) != label):
            raise InputError(
                f"{path}: expected <label>/v_<label>_gNN_cNN.avi and the label's number, "
                f"found {line}"
            )
        videos.append(video)
    return videos


def _match(video: str) -> re.Match[str] | None:
    return _NAME.fullmatch(video.partition("/")[2])
