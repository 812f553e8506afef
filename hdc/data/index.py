"""The lists of a prepared data set: its videos, which are usable, which part each is in."""

from pathlib import Path
from typing import Any

import pandas as pd

from hdc.data.remedy import prepare_again
from hdc.runtime.atomic_files import write_text
from hdc.runtime.errors import InputError

INDEX_COLUMNS = (
    "video", "label", "group", "path", "frames", "fps", "width", "height", "seconds", "sha256",
)  # fmt: skip
PARTS = ("train", "val", "test")
MISSING = "missing: not found in the folder of the data set"  # a reason in rejected.csv
_SHOWN = 200  # letters of a wrong header that a message quotes
# Texts that look like numbers or gaps ("001", "nan") are names here and stay what they are.
_TEXTS = dict.fromkeys(
    ("video", "label", "group", "path", "sha256", "part", "reason", "object"), str
)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV file, whole or not at all."""
    write_text(path, table_text(table))


def table_text(table: pd.DataFrame) -> str:
    """A table as CSV."""
    return table.to_csv(index=False, lineterminator="\n")


def read_table(
    path: str | Path, columns: tuple[str, ...], *, made_by: str = "hdc.prepare"
) -> pd.DataFrame:
    """A CSV file with at least these columns.

    Raises InputError if the file or a column is missing, or if it is no table.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected a file, found none; run {made_by} first")
    prepared = made_by == "hdc.prepare"
    remedy = prepare_again(path.parent) if prepared else f"run {made_by} again"
    try:
        table = pd.read_csv(path, dtype=_TEXTS, keep_default_na=False, na_values={"fps": [""]})
    except ValueError as error:  # empty, no UTF-8, rows of several lengths
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: expected a table, found damage ({reason}); {remedy}") from None
    missing = [column for column in columns if column not in table]
    if missing:
        header = ascii(", ".join(table))[1:-1][:_SHOWN]
        raise InputError(f"{path}: expected a column {missing[0]}, found {header}; {remedy}")
    return table


def read_index(prepared: str | Path) -> pd.DataFrame:
    """Every usable video of a data set, one row each, in the order of the store."""
    return read_table(Path(prepared) / "index.csv", INDEX_COLUMNS)


def factor_columns(index: pd.DataFrame) -> list[str]:
    """The columns of an index that hold known factors."""
    return [column for column in index if column not in INDEX_COLUMNS]


def read_split(prepared: str | Path, split: int) -> pd.DataFrame:
    """The listed videos of a split, usable or not: video, part, label, group and usable.

    Raises InputError if a video stands in two parts, a group in train and test, or a part is empty.
    """
    prepared = Path(prepared)
    path = prepared / f"split{split}.csv"
    parts = read_table(path, ("video", "part"))
    listed = read_table(prepared / "listed.csv", ("video", "label", "group"))
    table = parts.merge(listed, on="video", how="left", validate="many_to_one")
    if table.video.duplicated().any():
        name = table.video[table.video.duplicated()].iloc[0]
        raise InputError(f"{path}: expected every video in one part, found {name} twice")
    if table.label.isna().any():
        name = table.video[table.label.isna()].iloc[0]
        raise InputError(f"{path}: expected videos of {prepared / 'listed.csv'}, found {name}")
    for part in PARTS:
        if not (table.part == part).any():
            raise InputError(f"{path}: expected videos in part {part}, found none")
    _require_apart(table, path)
    table["usable"] = table.video.isin(read_index(prepared).video)
    return table


def _require_apart(table: pd.DataFrame, path: Path) -> None:
    """Refuse groups that stand in two parts: clips of one source video are nearly copies."""
    spread = table.groupby("group").part.nunique()
    if (spread > 1).any():
        group = spread.index[spread > 1][0]
        raise InputError(f"{path}: expected every group in one part, found {group} in several")


def missing_videos(prepared: str | Path) -> set[str]:
    """The listed videos that were not there when a data set was prepared."""
    rejected = read_table(Path(prepared) / "rejected.csv", ("video", "reason"))
    return set(rejected.video[rejected.reason == MISSING])


def missing_facts(prepared: str | Path, split: str | int) -> dict[str, dict[str, int]]:
    """For a record's protocol: how many listed videos were missing, by part; empty if none was.

    An empty `split` stands for all videos.
    """
    missing = missing_videos(prepared)
    if not missing:
        return {}
    if not split:
        return {"missing_videos": {"all": len(missing)}}
    table = read_split(prepared, int(split))
    counts = table.part[table.video.isin(missing)].replace("val", "train").value_counts()
    return {"missing_videos": {str(part): int(count) for part, count in sorted(counts.items())}}


def video_counts(prepared: str | Path, split: pd.DataFrame) -> dict[str, Any]:
    """For a record: a split's listed videos by part, its classes, and why videos were rejected.

    Reasons are counted for all of the data set, by what stands before their colon.
    """
    parts = split.part.value_counts()
    rejected = read_table(Path(prepared) / "rejected.csv", ("video", "reason")).reason
    reasons = rejected.str.split(":").str[0].value_counts()
    return {
        **{part: int(parts[part]) for part in PARTS},
        "classes": int(split.label.nunique()),
        "rejected": {str(reason): int(count) for reason, count in sorted(reasons.items())},
    }


def rows_of(index: pd.DataFrame, split: pd.DataFrame, *parts: str) -> list[int]:
    """Row numbers of the index whose videos stand in one of `parts` of a split."""
    wanted = set(split.video[split.part.isin(parts)])
    return [row for row, video in enumerate(index.video) if video in wanted]


def rows_by_part(
    index: pd.DataFrame, split: pd.DataFrame, prepared: str | Path, *, validation_apart: bool
) -> dict[str, list[int]]:
    """Rows of the index to train and to test on, by `train` and `test`.

    Validation trains, too; `validation_apart`: it does not, and has an entry `val` of its own.
    Raises InputError if a part is empty; `prepared` names the data set in it.
    """
    parts = {"train": ("train",) if validation_apart else ("train", "val"), "test": ("test",)}
    parts |= {"val": ("val",)} if validation_apart else {}
    rows = {name: rows_of(index, split, *names) for name, names in parts.items()}
    for name, usable in rows.items():
        if not usable:
            raise InputError(f"{prepared}: expected usable {name} videos in the split, found none")
    return rows
