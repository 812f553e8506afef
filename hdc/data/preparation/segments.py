"""A list of labelled pieces of recordings, as programs for annotation write it."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hdc.data.preparation.folder import require_two_videos
from hdc.data.preparation.pieces import piece_name
from hdc.data.splits import OBJECT
from hdc.runtime.errors import InputError

COLUMNS = ("video", "start", "end", "label")
_SEPARATORS = ",;\t"


class Segment(NamedTuple):
    """A line of the list."""

    video: str  # as the list names it
    start: float  # seconds
    end: float
    label: str
    where: str  # file and line


def list_segments(path: Path, files: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The pieces that a CSV names of `files` (video, group, path, maybe object), and those files.

    It names a file by its path below the folder, or by its name alone where only one file has it.
    Pieces have the columns video, label, group and path (empty where there is no such file), files
    video, path and spans: as `hdc.data.listing.Listing` takes them. Pieces of one recording are in
    one group. Columns other than video, start, end (seconds) and label are not read.
    Raises InputError for a list that cannot be read, a wrong line or a label with one piece only.
    """
    known = files.set_index("video")
    by_name: dict[str, list[str]] = {}
    for video in files.video:
        by_name.setdefault(Path(video).name, []).append(video)
    rows = []
    for segment in _read(path):
        video = segment.video.replace("\\", "/")
        if video not in known.index:
            same = by_name.get(video.rsplit("/", 1)[-1], [])
            video = same[0] if len(same) == 1 else video
        there = video in known.index
        group = known.group[video] if there else video
        place = known.path[video] if there else ""
        rows.append((video, segment.start, segment.end, segment.label, group, place, segment.where))
    columns = ["recording", "start", "end", "label", "group", "path", "where"]
    table = pd.DataFrame(rows, columns=columns)
    table = table.sort_values(["recording", "start", "end"], ignore_index=True, kind="stable")
    spans = [*zip(table.start, table.end, strict=True)]
    names = [piece_name(name, *span) for name, span in zip(table.recording, spans, strict=True)]
    table = table.assign(video=names, spans=spans)
    _require_once(table)
    require_two_videos(table)
    recordings = table.groupby("recording", sort=False).agg({"path": "first", "spans": list})
    recordings = recordings.rename_axis("video").reset_index()
    pieces = table[["video", "label", "group", "path"]]
    if OBJECT in files:
        objects = table.recording.map(known[OBJECT]).fillna("")
        pieces = pieces.assign(**{OBJECT: objects})
    return pieces, recordings


def _read(path: Path) -> Iterator[Segment]:
    """The lines of a list."""
    if not path.is_file():
        raise InputError(f"data.folder.segments: {path}: expected a file, found none")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8, found {error}; save it as such") from None
    header = lines[0] if lines else ""
    separator = max(_SEPARATORS, key=header.count)
    reader = csv.DictReader(lines, delimiter=separator, restval="")
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise InputError(f"{path}: expected a column {missing[0]}, found {header[:200]!a}")
    for row in reader:
        where = f"{path}: line {reader.line_num}"
        start, end = (_seconds(row[name], name, where) for name in ("start", "end"))
        if not 0 <= start < end:
            raise InputError(f"{where}: expected a start from 0 on, before the end, got {start:g}")
        for name in ("video", "label"):
            if not row[name].strip():
                raise InputError(f"{where}: expected a {name}, found none")
        yield Segment(row["video"].strip(), start, end, row["label"].strip(), where)
    if reader.line_num < 2:
        raise InputError(f"{path}: expected a line for each piece, found none")


def _seconds(text: str, name: str, where: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InputError(f"{where}: {name}: expected seconds such as 12.5, got {text!a}")
    return seconds


def _require_once(table: pd.DataFrame) -> None:
    """Refuse a piece that is listed twice: it would be in the store and in every count twice."""
    twice = table[table.video.duplicated()]
    if len(twice):
        raise InputError(
            f"{twice['where'].iloc[0]}: expected every piece once, found {twice.video.iloc[0]} "
            "again; leave one out"
        )
