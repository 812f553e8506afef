"""The records of a study as frames: what was expected, what is there, and averages over seeds."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pandas.api.typing import SeriesGroupBy

from hdc.analysis.seed_statistics import summary
from hdc.runtime.errors import InputError
from hdc.study.record_files import RecordFile, records_folder
from hdc.study.record_rules import read_record
from hdc.study.stages import RECORDED, RUN

BASE = "hdc"  # the run that every other run is compared with
LEVEL = "<level>"  # in a path: the row's level, or the record's last where rows have none
DAMAGED = (ValueError, OSError, OverflowError, RecursionError)  # what readers raise

Content = TypeVar("Content")


@dataclass(frozen=True)
class Results:
    """A study's evaluations, one row each, the records found and why the others are missing."""

    study: dict[str, Any]
    evaluations: pd.DataFrame
    records: dict[str, dict[str, Any]]  # path -> record
    missing: dict[str, str]  # path of a record -> reason; a damaged one is missing, too
    folder: RecordFile  # below which the files of runs lie
    damaged: dict[str, str] = field(default_factory=dict)  # path of a file left out -> reason
    impossible: set[str] = field(default_factory=set)  # missing: records of runs that cannot be
    outdated: frozenset[str] = frozenset()  # paths of files that are there and are to be made again
    path: Path = Path("study.json")  # where the study was read from

    def file(self, path: str) -> RecordFile:
        """Where a path that the study names lies: a study may have been copied elsewhere."""
        inside = Path(path).parts
        home = ("results", self.study["study"])
        return self.folder.joinpath(*inside[2:]) if inside[:2] == home else Path(path)

    def read(self, path: str, reader: Callable[[RecordFile], Content]) -> Content | None:
        """What `reader` makes of a file of a run; None if the file is missing, outdated or damaged.

        A damaged one, of which the reader raises an error, is noted and left out from then on.
        """
        if path in self.damaged or path in self.outdated:
            return None
        try:
            file = self.file(path)
            return reader(file) if file.is_file() else None
        except InputError as error:
            self.leave_out(path, str(error))
        except DAMAGED as error:
            words = " ".join(str(error).split())
            self.leave_out(path, f"expected a whole file, found another: {words}")
        return None

    def leave_out(self, path: str, why: str) -> None:
        """Note a damaged file, and what was expected and found in it."""
        self.damaged[path] = f"{path}: {why}"

    def expected(self) -> int:
        """How many records there are when all is done, but for those of runs that cannot be."""
        return len(self.records) + len(self.missing) - len(self.impossible)

    def select(self, **where: str | int) -> pd.DataFrame:
        """The evaluations that have some values."""
        rows = self.evaluations
        for column, value in where.items():
            rows = rows[rows[column] == value]
        return rows

    def of(self, stage: str, **where: str | int) -> list[dict[str, Any]]:
        """The records of a stage that are there, each once; `where` selects evaluations."""
        rows = self.select(**where).itertuples(index=False)
        paths = dict.fromkeys(record_path(row, stage) for row in rows)
        return [self.records[path] for path in paths if path in self.records]


def read_results(path: str | Path, outdated: Iterable[str] = ()) -> Results:
    """Read study.json and every record that it expects; raises InputError if it is no study.

    `outdated`: files that are there and are to be made again; they count as missing.
    """
    try:
        study = json.loads(Path(path).read_text())
        evaluations = _ordered(pd.DataFrame(study["evaluations"]), list(study["ablations"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected a study with ablations and evaluations, found {error!r}; "
            "let the workflow write it again"
        ) from error
    folder = records_folder(Path(path).parent)
    results = Results(
        study, evaluations, {}, {}, folder, path=Path(path), outdated=frozenset(outdated)
    )
    gaps = study.get("gaps", {})
    for row in evaluations.itertuples(index=False):
        run = f"{row.backbone}/{row.ablation}"
        for stage in RECORDED:
            place = record_path(row, stage)
            if run in gaps:
                results.impossible.add(place)
                results.missing[place] = f"{run} cannot be: {gaps[run]}"
            elif place not in results.records and place not in results.missing:
                _read_record(place, results)
    return results


def record_path(evaluation: Any, stage: str) -> str:
    """Where a stage's record for an evaluation lies."""
    facts = RECORDED[stage]
    folder = evaluation.run_folder if facts.folder == RUN else evaluation.folder
    return f"{folder}/{facts.outputs['record']}"


def cells(
    results: Results,
    stage: str,
    path: tuple[str, ...],
    evaluations: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Evaluations with the `value` at a path of their records, or the reason why it is `missing`.

    Neither value nor reason: the record says null, or no record of the data set has the path.
    """
    rows = results.evaluations if evaluations is None else evaluations
    pairs = [_cell(results, row, stage, path) for row in rows.itertuples(index=False)]
    values = pd.Series([value for value, _ in pairs], index=rows.index, dtype=float)
    reasons = pd.Series([reason for _, reason in pairs], index=rows.index, dtype=str)
    asked = values.notna().groupby(rows["data"], observed=True).transform("any")
    lacking = reasons.str.startswith("lacks ")
    return rows.assign(value=values, missing=reasons.mask(lacking & ~asked, ""))


def by_seed(cells: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Per seed the mean `value` over its splits, their number and the reasons for missing ones.

    A seed that lacks a split has no value: splits differ in difficulty.
    """
    groups = cells.groupby([*by, "seed"], observed=True)
    return groups.agg(splits=("split", "nunique")).assign(
        value=_by_group(groups["value"], np.mean),
        missing=_by_group(groups["missing"], joined),
    )[["value", "splits", "missing"]]


def over_seeds(seeds: pd.DataFrame) -> pd.DataFrame:
    """Mean, sample standard deviation, ends of the 95 % interval, seeds, splits and reasons.

    Spread and interval are blank for one seed.
    """
    by = [level for level in seeds.index.names if level != "seed"]
    groups = seeds.groupby(by, observed=True)
    table = groups.agg(
        mean=("value", "mean"),
        spread=("value", "std"),
        seeds=("value", "count"),
        splits=("splits", "max"),
    )
    low, high = zip(*_by_group(groups["value"], _interval), strict=True) if len(table) else ((), ())
    table.insert(2, "low", low)
    table.insert(3, "high", high)
    return table.assign(missing=_by_group(groups["missing"], joined))


def _by_group(groups: SeriesGroupBy, reduce: Callable[[np.ndarray], Any]) -> list[Any]:
    """What the values of each group come to, in the groups' order.

    Not by `agg`, which takes a hundred times as long for a function of Python.
    """
    values, numbers = groups.obj.to_numpy(), groups.ngroup().to_numpy()
    return [reduce(values[numbers == number]) for number in range(groups.ngroups)]


def _interval(values: np.ndarray) -> tuple[float, float]:
    """The interval of the mean over the seeds that have a value; NaN if there is none."""
    known = values[~np.isnan(values)]
    interval = summary(known) if len(known) else None
    if interval is None or interval.low is None:
        return math.nan, math.nan
    return interval.low, interval.high


def levels_of(results: Results, backbone: str, data: str) -> list[str]:
    """Levels that the evaluations of a backbone on a data set report, shallow to deep."""
    records = results.of("evaluate", backbone=backbone, data=data)
    return list(dict.fromkeys(level for record in records for level in record["metrics"]["levels"]))


def controls_of(results: Results, backbone: str, data: str) -> list[str]:
    """Variants of the last level that are probed, too, such as `layer4.still`."""
    last = levels_of(results, backbone, data)[-1:]
    records = results.of("evaluate", backbone=backbone, data=data)
    names = [name for record in records for name in record["metrics"].get("linear", {})]
    return [name for name in dict.fromkeys(names) if name.split(".")[:-1] == last]


def factors_of(results: Results, data: str) -> dict[str, str]:
    """What is probed on a data set, and how it is scored: factor -> `accuracy` or `r2`."""
    kinds = {}
    for record in results.of("evaluate", data=data):
        for probes in record["metrics"].get("linear", {}).values():
            for factor, scores in probes.items():
                kinds.setdefault(factor, "r2" if "r2" in scores else "accuracy")
    return kinds


def flat(settings: Any, key: str = "") -> dict[str, str]:
    """Nested settings of a record as dotted key -> value."""
    if not isinstance(settings, dict):
        return {key: str(settings)}
    values = {}
    for name, value in settings.items():
        values |= flat(value, f"{key}.{name}" if key else str(name))
    return values


def resolved(
    path: tuple[str, ...], record: dict[str, Any], level: str | None = None
) -> tuple[str, ...]:
    """A path with the name of a level in place of LEVEL: of the record's last if none is given."""
    level = level or record["metrics"].get("levels", [""])[-1]
    return tuple(key.replace(LEVEL, level) for key in path)


def value_at(record: dict[str, Any], path: tuple[str, ...]) -> Any:
    """What a record has at a path; raises KeyError or TypeError where it has nothing."""
    return reduce(lambda value, key: value[key], path, record)


def joined(reasons: Iterable[str]) -> str:
    """Different reasons, each once, out of texts that may hold several."""
    parts = [part for reason in reasons for part in reason.split("; ") if part]
    return "; ".join(dict.fromkeys(parts))


def _read_record(path: str, results: Results) -> None:
    """Put a record under its path into `records`, or the reason why not into `missing`."""
    record = results.read(path, read_record)
    if record is not None:
        results.records[path] = record
    else:
        why = "to be made again" if path in results.outdated else "no record"
        results.missing[path] = results.damaged.get(path, f"{why}: {path}")


def _cell(results: Results, row: Any, stage: str, path: tuple[str, ...]) -> tuple[float, str]:
    """One value and an empty reason, or NaN and the reason."""
    place = record_path(row, stage)
    if place in results.missing:
        return math.nan, results.missing[place]
    record = results.records[place]
    path = resolved(path, record, getattr(row, "level", None))
    try:
        value = value_at(record, path)
    except (KeyError, TypeError):
        return math.nan, f"lacks {' '.join(path[1:])}: {place}"
    return (math.nan if value is None else float(value)), ""


def _ordered(evaluations: pd.DataFrame, ablations: list[str]) -> pd.DataFrame:
    """Rows in the order of the tables: as listed, but `hdc` first."""
    orders = {
        "backbone": list(dict.fromkeys(evaluations["backbone"])),
        "data": list(dict.fromkeys(evaluations["data"])),
        "ablation": sorted([*ablations], key=lambda name: name != BASE),
    }
    for column, order in orders.items():
        outside = sorted(set(evaluations[column]) - set(order))
        evaluations[column] = pd.Categorical(evaluations[column], order + outside, ordered=True)
    return evaluations.sort_values([*orders, "seed", "split"], ignore_index=True)
