"""Who was right, test video by test video, as the stages wrote it down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from hdc.measures import Measure
from hdc.results import LEVEL, Results, record_path

FILES = {"finetune": "predictions.csv", "evaluate": "outcomes.csv"}
PREDICTED = "predicted"  # the outcome of a classifier: right where it equals the label
_NAMES = dict.fromkeys(("video", "label", "group", PREDICTED), str)


def outcome_columns(record: dict[str, Any], columns: list[str]) -> list[str]:
    """The columns that a difference may ask for: names, and what is of the last level."""
    last = record["metrics"].get("levels", [None])[-1]
    return [name for name in columns if name in _NAMES or (last and f"_{last}_" in f"{name}_")]


@dataclass(frozen=True)
class Outcomes:
    """Reads the outcomes of a study's evaluations, each file once."""

    results: Results
    _tables: dict[str, pd.DataFrame | None] = field(default_factory=dict)

    def of(self, evaluation: Any, measures: Sequence[Measure]) -> pd.Series | None:
        """The mean outcome of some measures by test video; None where one was not written down.

        `evaluation` is a row of the study's. An outcome is 1 for right, 0 for wrong, or a share.
        """
        found = [self._outcome(evaluation, measure) for measure in measures]
        if any(one is None for one in found):
            return None
        # By video: two stages may list them in different orders.
        return pd.concat(found, axis=1, join="inner").mean(axis=1)

    def groups(self, data: str, split: int, videos: pd.Index) -> list[str] | None:
        """The group of each test video of a split, by whichever evaluation tells; None if none.

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
        column = measure.outcome.replace(LEVEL, record["metrics"].get("levels", [""])[-1])
        if column not in table:
            return None
        right = table[column]
        return (right == table["label"] if column == PREDICTED else right).astype(float)

    def _table(self, evaluation: Any, stage: str) -> pd.DataFrame | None:
        """A file of outcomes by video; None where there is none."""
        path = f"{evaluation.folder}/{FILES[stage]}"
        if path not in self._tables:
            file = self.results.file(path)
            # A name may look like a gap ("nan"), and stays what it is.
            known = {"dtype": _NAMES, "keep_default_na": False}
            table = pd.read_csv(file, **known).set_index("video") if file.is_file() else None
            self._tables[path] = table
        return self._tables[path]
