"""What differs between two studies: what was run, its settings, and its numbers seed by seed."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hdc.analysis.measure import ROWS, Measure
from hdc.analysis.measures import nearest_neighbors, probes_of_time, ranks, recall, time_probe
from hdc.analysis.number_formats import (
    interval_text,
    p_text,
    points,
    seeds_text,
)
from hdc.analysis.results import Results, flat, read_results
from hdc.analysis.run_differences import Difference, Place, difference, seed_values
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.tables.ablation import ablation_measures
from hdc.runtime.errors import InputError
from hdc.study.stages import RECORDED

NOTE = (
    "Second less first over the seeds that both have, with the 95 % interval over seeds (Student "
    "t), then over seeds and test videos (two-way bootstrap). p: paired t test, from 5 seeds on, "
    "not corrected for the number of rows: descriptive."
)


@dataclass(frozen=True)
class Row:
    """One number of a run that both studies have, and its difference, second less first."""

    place: Place
    measure: Measure
    first: float
    second: float
    found: Difference


def compare(first: Path, second: Path, *, as_json: bool = False) -> str:
    """Two folders of studies compared, as text or as JSON.

    Raises InputError for a folder without a study, and for studies with no run in common.
    """
    studies = [_read(folder) for folder in (first, second)]
    places = [_places(study) for study in studies]
    common = [place for place in places[0] if place in places[1]]
    if not common:
        raise InputError(
            f"{first} and {second}: expected a run that both have, found none; "
            f"compare studies with the same backbone, data set and ablation"
        )
    only = [
        [_name(place) for place in ours if place not in theirs]
        for ours, theirs in (places, places[::-1])
    ]
    settings = _settings(studies, common)
    rows = list(_rows(studies, common))
    damaged = [reason for study in studies for reason in study.damaged.values()]
    if as_json:
        facts = {"only_in_first": only[0], "only_in_second": only[1], "settings": settings}
        facts |= {"numbers": [_plain(row) for row in rows], "damaged": damaged}
        return json.dumps(facts, indent=1)
    text = _text((first, second), only, settings, rows)
    return "\n".join([text, *(f"left out as damaged: {reason}" for reason in damaged)])


def _read(folder: Path) -> Results:
    path = folder / "study.json"
    if not path.is_file():
        raise InputError(
            f"{folder}: expected the folder of a study, with study.json, found none; "
            "name one such as results/demo or results/published/demo"
        )
    return read_results(path)


def _places(results: Results) -> list[Place]:
    """The runs of a study, in the order of its tables."""
    rows = results.evaluations[ROWS].drop_duplicates().astype(str)
    return [Place(*row) for row in rows.itertuples(index=False, name=None)]


def _settings(studies: list[Results], common: list[Place]) -> list[dict[str, Any]]:
    """Every setting that differs, with the runs in which it does: key, first, second, runs."""
    differing: dict[tuple[str, str, str], list[str]] = {}
    for place in common:
        for stage in RECORDED:
            pair = [_first_settings(study, stage, place) for study in studies]
            if None in pair:
                continue
            for key in dict.fromkeys([*pair[0], *pair[1]]):
                values = [settings.get(key, "not there") for settings in pair]
                if values[0] != values[1]:
                    runs = differing.setdefault((f"{stage}: {key}", *values), [])
                    runs.append(_name(place))
    return [
        {"key": key, "first": first, "second": second, "runs": runs}
        for (key, first, second), runs in differing.items()
    ]


def _first_settings(results: Results, stage: str, place: Place) -> dict[str, str] | None:
    """The settings of a run's first record of a stage."""
    records = results.of(stage, **vars(place))
    return flat(records[0]["settings"]) if records else None


def _rows(studies: list[Results], common: list[Place]) -> Iterator[Row]:
    """Every number that both studies have."""
    outcomes = Outcomes(studies[0]), Outcomes(studies[1])
    shown = ablation_measures(studies[0])
    names = {measure.name for measure in shown}
    recalls = [measure for measure in map(recall, ranks(*studies)) if measure.name not in names]
    measures = [*shown, *recalls, *nearest_neighbors()]
    measures += map(time_probe, probes_of_time(studies[0]))
    for place in common:
        for measure in measures:
            first, second = (
                seed_values(study, [measure], place)["value"].mean() for study in outcomes
            )
            if not (math.isnan(first) and math.isnan(second)):
                gap = difference(outcomes[::-1], [measure], (place, place))
                yield Row(place, measure, first, second, gap)


def _plain(row: Row) -> dict[str, Any]:
    """A row for scripts; null where a number is not known."""
    numbers = {"first": row.first, "second": row.second}
    gaps = {"difference": row.found.paired and asdict(row.found.paired)}
    gaps["two_way"] = row.found.two_way and asdict(row.found.two_way)
    known = {key: None if math.isnan(value) else value for key, value in numbers.items()}
    return {**vars(row.place), "measure": row.measure.name, **known, **gaps,
            "missing": row.found.missing}  # fmt: skip


def _text(
    names: tuple[Path, Path],
    only: list[list[str]],
    settings: list[dict[str, Any]],
    rows: list[Row],
) -> str:
    """The comparison for people."""
    lines = [f"first:  {names[0]}", f"second: {names[1]}", ""]
    for which, runs in zip(("first", "second"), only, strict=True):
        if runs:
            lines += [f"only in the {which}: {', '.join(runs)}", ""]
    common = len({_name(row.place) for row in rows})
    lines.append("settings that differ:" if settings else "settings: the same")
    for setting in settings:
        where = "" if len(setting["runs"]) == common else f" ({', '.join(setting['runs'])})"
        lines.append(f"  {setting['key']}: {setting['first']} -> {setting['second']}{where}")
    lines += ["", *_table([_cells(row) for row in rows]), "", NOTE]
    reasons = dict.fromkeys(row.found.missing for row in rows if row.found.missing)
    return "\n".join([*lines, *reasons])


def _cells(row: Row) -> list[str]:
    """A row for people; shares in percent, their difference in points."""
    show, gap = row.measure.show, points
    if row.measure.path[-1] == "r2":
        gap = "{:+.2f}".format
    shown = ["missing" if math.isnan(value) else show(value) for value in (row.first, row.second)]
    paired, two_way = row.found.paired, row.found.two_way
    cells = [_name(row.place), row.measure.title, *shown]
    if paired is None:
        return [*cells, "", "", "", "", seeds_text(0)]
    intervals = [interval_text(gap, paired.low, paired.high).strip()]
    intervals.append(interval_text(gap, two_way.low, two_way.high).strip() if two_way else "")
    p = "" if paired.p is None else p_text(paired.p)
    return [*cells, gap(paired.mean), *intervals, p, seeds_text(paired.seeds)]


def _table(rows: list[list[str]]) -> list[str]:
    """Aligned lines under a heading."""
    heading = ["run", "measure", "first", "second", "difference", "over seeds"]
    table = [[*heading, "over seeds and videos", "p", "n"], *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _name(place: Place) -> str:
    return f"{place.ablation} ({place.backbone}, {place.data})"
