"""One number that is measured of runs: where records have it, what it is called, how it reads."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from hdc.analysis.number_formats import percent
from hdc.analysis.results import Results, by_seed, cells, over_seeds

ROWS = ["backbone", "data", "ablation"]


@dataclass(frozen=True)
class Measure:
    """One number of a table: where the records have it and how it is shown."""

    name: str  # column of the CSV
    title: str  # heading for people
    stage: str
    path: tuple[str, ...]
    show: Callable[[float], str] = percent
    show_spread: Callable[[float], str] | None = percent
    data: str | None = None  # this data set only
    outcome: str = ""  # its column of right or wrong by test video; empty: there is none
    of_some: bool = False  # its outcome is of some test videos only, and blank for the others
    visible: bool = True  # otherwise in the CSV only

    def summary(
        self, results: Results, by: list[str], evaluations: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Mean, spread, interval, seeds, splits and missing reasons, one row a group of `by`."""
        rows = results.evaluations if evaluations is None else evaluations
        if self.data is not None:
            rows = rows[rows["data"] == self.data]
        return over_seeds(by_seed(cells(results, self.stage, self.path, rows), by))
