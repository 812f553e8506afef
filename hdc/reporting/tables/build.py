"""From numbers in records to the cells of a table."""

import math
from typing import Any

import pandas as pd

from hdc.analysis.measure import ROWS, Measure
from hdc.analysis.number_formats import (
    BLANK,
    seeds_text,
    sentence,
)
from hdc.analysis.results import Results, controls_of, joined, levels_of
from hdc.reporting.captions import doubts, other_networks
from hdc.reporting.tables.table import Cell, Origin, Table

HEADINGS = {"backbone": "backbone", "data": "data set", "ablation": "run", "level": "level"}


def build(
    results: Results,
    name: str,
    title: str,
    caption: str,
    measures: list[Measure],
    *,
    by: list[str] = ROWS,
    evaluations: pd.DataFrame | None = None,
    foldable: tuple[str, ...] = ("backbone", "data"),
) -> Table:
    """A table of measures, one row a group of `by`; what all rows share moves to the caption.

    Only `foldable` columns do.
    """
    rows = results.evaluations if evaluations is None else evaluations
    groups = rows.groupby(by, observed=True).size().index
    summaries = [measure.summary(results, by, rows).reindex(groups) for measure in measures]
    numbers, text = _numbers(groups, measures, summaries), groups.to_frame(index=False).astype(str)
    keys, most = text.copy(), _most_seeds(measures, summaries, groups)
    notes: list[str] = []
    for measure, summary in zip(measures, summaries, strict=True):
        if measure.visible:
            rows_ = zip(summary.itertuples(index=False), most, strict=True)
            text[measure.title] = [_text(measure, row, seeds, notes) for row, seeds in rows_]
    text["n"] = [seeds_text(seeds) for seeds in most]
    doubted = [
        doubt_marks(results, notes, **{column: row[column] for column in ROWS if column in row})
        for row in keys.to_dict("records")
    ]
    text["ablation"] = [run + marks for run, marks in zip(text["ablation"], doubted, strict=True)]
    shared = [column for column in foldable if column in by and _one(text[column])]
    facts = "".join(f"{sentence(HEADINGS[column])} {text[column].iloc[0]}. " for column in shared)
    text = text.drop(columns=shared).rename(columns=HEADINGS)
    return Table(name, title, facts + caption, numbers, text, notes, _origins(keys, measures))


def with_levels(results: Results, *, controls: bool = False) -> pd.DataFrame:
    """Evaluations once for each level of their backbone; the level is empty where none is known.

    With `controls` also for the controls of the last level.
    """
    frames = []
    for (backbone, data), rows in results.evaluations.groupby(["backbone", "data"], observed=True):
        levels = levels_of(results, backbone, data) or [""]
        levels += controls_of(results, backbone, data) if controls else []
        frames += [rows.assign(level=level) for level in levels]
    rows = pd.concat(frames)
    order = list(dict.fromkeys(rows["level"]))
    return rows.assign(level=pd.Categorical(rows["level"], order, ordered=True))


def _one(column: pd.Series) -> bool:
    return column.nunique() == 1


def _origins(keys: pd.DataFrame, measures: list[Measure]) -> dict[Cell, Origin]:
    """Which records each visible cell is made of."""
    return {
        (row, measure.title): Origin(
            measure.stage, key["backbone"], measure.data or key["data"], key["ablation"]
        )
        for row, key in enumerate(keys.to_dict("records"))
        for measure in measures
        if measure.visible
    }


def _numbers(
    groups: pd.Index, measures: list[Measure], summaries: list[pd.DataFrame]
) -> pd.DataFrame:
    """All digits: per measure mean, spread, 95 % interval, seeds, splits; per row the reasons."""
    columns = {}
    for measure, summary in zip(measures, summaries, strict=True):
        columns[measure.name] = summary["mean"]
        columns[f"{measure.name}_spread"] = summary["spread"]
        columns[f"{measure.name}_low"] = summary["low"]
        columns[f"{measure.name}_high"] = summary["high"]
        columns[f"{measure.name}_seeds"] = summary["seeds"].fillna(0).astype(int)
        columns[f"{measure.name}_splits"] = summary["splits"].fillna(0).astype(int)
    reasons = pd.concat([summary["missing"].fillna("") for summary in summaries], axis=1)
    frame = pd.DataFrame(columns, index=groups)
    frame["seeds"] = _most_seeds(measures, summaries, groups)
    frame["splits"] = pd.concat([summary["splits"] for summary in summaries], axis=1).max(axis=1)
    frame["splits"] = frame["splits"].fillna(0).astype(int)
    frame["missing"] = [joined(row) for row in reasons.itertuples(index=False)]
    return frame.reset_index()


def _most_seeds(
    measures: list[Measure], summaries: list[pd.DataFrame], groups: pd.Index
) -> list[int]:
    """Per row the seeds of its best covered visible number; a cell with fewer says so itself."""
    seeds = [
        summary["seeds"] for measure, summary in zip(measures, summaries, strict=True)
        if measure.visible
    ]  # fmt: skip
    most = pd.concat(seeds, axis=1).max(axis=1) if seeds else pd.Series(0, index=groups)
    return most.fillna(0).astype(int).tolist()


def _text(measure: Measure, row: Any, seeds: int, notes: list[str]) -> str:
    """A cell for people; a missing or incomplete one points to a note that says why."""
    reason = row.missing if isinstance(row.missing, str) else ""
    if not row.seeds > 0:
        return f"missing {note_mark(reason, notes)}" if reason else BLANK
    text = measure.show(row.mean)
    if measure.show_spread is not None and not math.isnan(row.spread):
        text += f" ± {measure.show_spread(row.spread)}"
    if row.seeds < seeds:
        text += f" ({seeds_text(int(row.seeds))})"
    return f"{text} {note_mark(reason, notes)}" if reason else text


def doubt_marks(results: Results, notes: list[str], **where: str) -> str:
    """The marks of the notes on what speaks against the numbers of some evaluations, or apart."""
    said = (*doubts(results, **where), *other_networks(results, **where))
    return "".join(f" {note_mark(reason, notes)}" for reason in said)


def note_mark(reason: str, notes: list[str]) -> str:
    """The mark of a note, which is added if it is new."""
    if reason not in notes:
        notes.append(reason)
    return f"[{notes.index(reason) + 1}]"
