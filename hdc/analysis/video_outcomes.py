"""Who was right, test video by test video, as the stages wrote it down."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pandas as pd

from hdc.analysis.measure import Measure
from hdc.analysis.results import Results, record_path, resolved, value_at
from hdc.runtime.errors import InputError
from hdc.study.record_files import RecordFile
from hdc.study.stages import STAGES

Known = TypeVar("Known")

FILES = {
    "finetune": STAGES["finetune"].outputs["predictions"],
    "evaluate": STAGES["evaluate"].outputs["outcomes"],
}
PREDICTED = "predicted"  # the outcome of a classifier: right where it equals the label
ROUNDING = 1e-6  # of a mean; one video more or less counts far more
_NAMES = dict.fromkeys(("video", "label", "group", PREDICTED), str)
_NEEDED = {"finetune": ("video", "label", PREDICTED), "evaluate": ("video", "label")}


def outcome_columns(
    record: dict[str, Any], columns: list[str], measures: Iterable[Measure]
) -> list[str]:
    """The columns that a difference in some measures asks for: names and their outcomes."""
    asked = {name for measure in measures for name in resolved((measure.outcome,), record)}
    return [name for name in columns if name in _NAMES or name in asked]


def read_outcomes(results: Results, evaluation: Any, stage: str) -> pd.DataFrame | None:
    """What a stage wrote down of each test video, by video; None where it did not.

    Scores of fine-tuning are left out. A damaged file is noted in the results and gives None.
    """
    record = results.records.get(record_path(evaluation, stage), {})
    path = f"{evaluation.folder}/{FILES[stage]}"
    return results.read(path, partial(_read, stage=stage, record=record))


def _read(file: RecordFile, *, stage: str, record: dict[str, Any]) -> pd.DataFrame:
    """A file of outcomes by video; raises InputError unless it fits the record beside it."""
    # A name may look like a gap ("nan"), and stays what it is. Scores are many, and not read.
    kept = _NAMES.__contains__ if stage == "finetune" else None
    with file.open("rb") as content:
        table = pd.read_csv(content, usecols=kept, dtype=_NAMES, keep_default_na=False)
    lacking = [name for name in _NEEDED[stage] if name not in table]
    if lacking:
        raise InputError(f"expected a column {lacking[0]}, found none")
    videos = table["video"].nunique()
    tested = record.get("protocol", {}).get("test_videos", videos)
    if not videos == len(table) == tested:
        raise InputError(
            f"expected a row for each of {tested:,} test videos, found {len(table):,} rows and "
            f"{videos:,} videos"
        )
    if stage == "finetune":
        _shares(PREDICTED, table[PREDICTED] == table["label"], record, ("metrics", "top1"))
    return table.set_index("video")


def _shares(
    column: str, outcome: pd.Series, record: dict[str, Any], path: tuple[str, ...]
) -> pd.Series:
    """An outcome as shares; raises InputError for others, and for another mean than recorded."""
    shares = pd.to_numeric(outcome, errors="coerce").astype(float)
    if not shares.between(0, 1).all():
        raise InputError(f"expected shares from 0 to 1 in column {column}, found others")
    try:
        recorded = value_at(record, path)
    except (KeyError, TypeError):
        return shares
    if recorded is not None and not math.isclose(shares.mean(), recorded, abs_tol=ROUNDING):
        raise InputError(
            f"expected a mean of {recorded:.6g} in column {column}, as recorded, "
            f"found {shares.mean():.6g}"
        )
    return shares


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Reads the outcomes of a study's evaluations, each file once."""

    results: Results
    _tables: dict[str, pd.DataFrame | None] = field(default_factory=dict)
    _known: dict[tuple, Any] = field(default_factory=dict)

    def once(self, compute: Callable[..., Known], *asked: Any) -> Known:
        """What `compute` gives for what is asked: tables and figures ask the same many times."""
        key = (compute, *asked)
        if key not in self._known:
            self._known[key] = compute(*asked)
        return self._known[key]

    def of(self, evaluation: Any, measures: Sequence[Measure]) -> pd.Series | None:
        """The mean outcome of some measures by test video; None where one was not written down.

        `evaluation` is a row of the study's. An outcome is 1 for right, 0 for wrong, or a share.
        """
        columns = [self._outcome(evaluation, measure) for measure in measures]
        if any(column is None for column in columns):
            return None
        # By video: two stages may list them in different orders.
        return pd.concat(columns, axis=1, join="inner").mean(axis=1)

    def groups(self, data: str, split: int, videos: pd.Index) -> list[str] | None:
        """The group of each test video of a split, from any evaluation that has it; else None.

        Evaluations of other videos, as before a data set grew, tell nothing.
        """
        rows = self.results.evaluations
        for row in rows[(rows["data"] == data) & (rows["split"] == split)].itertuples(index=False):
            table = self._table(row, "evaluate")
            if table is not None and "group" in table and videos.isin(table.index).all():
                return table["group"].reindex(videos).tolist()
        return None

    def _outcome(self, evaluation: Any, measure: Measure) -> pd.Series | None:
        """An outcome by test video."""
        record = self.results.records.get(record_path(evaluation, measure.stage))
        table = self._table(evaluation, measure.stage)
        if record is None or table is None:
            return None
        column, *path = resolved((measure.outcome, *measure.path), record)
        if column not in table:
            return None
        right = table[column]
        try:
            right = right == table["label"] if column == PREDICTED else right
            right = right[right != ""] if measure.of_some else right
            return _shares(column, right, record, tuple(path))
        except InputError as error:
            file = f"{evaluation.folder}/{FILES[measure.stage]}"
            self.results.leave_out(file, str(error))
            self._tables[file] = None
            return None

    def _table(self, evaluation: Any, stage: str) -> pd.DataFrame | None:
        """A file of outcomes by video; None where there is none."""
        path = f"{evaluation.folder}/{FILES[stage]}"
        if path not in self._tables:
            self._tables[path] = read_outcomes(self.results, evaluation, stage)
        return self._tables[path]
