"""The table of the probes of time: by level, each beside a random network and chance."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from hdc.analysis.measure import ROWS, Measure
from hdc.analysis.measures import of_features, probe, probes_of_time, time_probe
from hdc.analysis.number_formats import BLANK, interval_text, percent, points, sentence
from hdc.analysis.results import LEVEL, Results
from hdc.analysis.run_differences import Difference, Place, difference
from hdc.analysis.video_outcomes import Outcomes
from hdc.evaluation import judgements
from hdc.reporting.captions import HOW, chance_line, protocol_line
from hdc.reporting.tables.build import build, note_mark, with_levels
from hdc.reporting.tables.table import Table

FLOOR = "random_init"  # what a network reads that never learned anything
NONE = "No run of this study was asked for probes of time (time_probes.videos)."
ABOUT = (
    "How well a linear probe tells versions of the same clips apart. Direction: from start to end, "
    "or backward. Speed: by the stride from frame to frame, the middle of the clip being the same. "
    "Order: as it is, or its second half first. Codecs and repeated frames leave cues, which serve "
    f"any network: the floor is {FLOOR} with the same probe. Δ: difference to it, seed by seed, in "
    "percentage points, with the 95 % interval over seeds and test videos (two-way bootstrap, "
    "10,000 draws), which is too narrow for fewer than about 10 seeds; that over seeds is in the "
    "CSV file. Label: probed on the clips, on one frame repeated (still) and on frames in random "
    "order (shuffled)."
)


def time_probes_table(outcomes: Outcomes) -> Table:
    """One row a run and level: accuracy, floor and chance of each probe, then of the label."""
    results, found = outcomes.results, probes_of_time(outcomes.results)
    rows = with_levels(results)
    rows = rows[rows["data"].isin(_asked(results))]
    caption = NONE
    if len(rows):
        caption = (
            f"{HOW} {ABOUT} {videos_line(results)} {protocol_line(results, 'evaluate')} "
            f"{chance_line(results, 'label')}"
        )
    measures = [measure for name in found for measure in (time_probe(name), chance(name))]
    title, by = "Probes of time by level", [*ROWS, "level"]
    measures += _of_label()
    table = build(results, "time_probes", title, caption, measures, by=by, evaluations=rows)
    for name in found:
        _add_floor(table, outcomes, name, rows)
    return table


def chance(name: str) -> Measure:
    """The accuracy of guessing in a probe of time."""
    measure = time_probe(name)
    path = (*measure.path[:-1], "chance")
    fields = {"name": f"{measure.name}_chance", "title": f"{name}: chance (%)", "path": path}
    return replace(measure, **fields, show_spread=None, outcome="")


def videos_line(results: Results) -> str:
    """Of each data set how many videos were probed, how many could not be and what they lack."""
    lines = []
    for data in results.evaluations["data"].unique():
        counts = [
            record["metrics"].get("time_videos", {}) for record in results.of("evaluate", data=data)
        ]
        probes: dict[str, list[str]] = {}
        for name in judgements.TIME_PROBES:
            known = [facts[name] for facts in counts if name in facts]
            if known:
                probes.setdefault(_words(known), []).append(name)
        lines += [
            f"{sentence(' and '.join(names))} on {data}: {words}."
            for words, names in probes.items()
        ]
    return " ".join(lines)


def _words(counts: list[dict[str, Any]]) -> str:
    """The numbers of videos of a probe, over splits; old ones and new ones may differ."""
    told = {key: _range(facts.get(key) for facts in counts) for key in counts[0]}
    repeated = _range((facts.get("repeated_frames") for facts in counts), percent)
    strides = [facts["strides"] for facts in counts if "strides" in facts]
    words = [f"strides {', '.join(map(str, strides[0]))}"] if strides else []
    words += [
        f"{told['tested']} test videos, {told['alike']} of which look alike in all versions",
        f"{told['too_short']} of {told['drawn']} drawn videos too short",
        f"{repeated} % of frames look like the one before",
    ]
    return "; ".join(words)


def _range(values: Iterable[Any], show: Any = "{:,}".format) -> str:
    """The least and the greatest of some numbers in words."""
    known = [value for value in values if isinstance(value, int | float)]
    ends = dict.fromkeys(show(end) for end in (min(known), max(known))) if known else {BLANK: None}
    return " to ".join(ends)


def _asked(results: Results) -> list[str]:
    """The data sets on which some run was probed for time."""
    return [
        data
        for data in results.evaluations["data"].unique()
        if any(record["metrics"].get("time_videos") for record in results.of("evaluate", data=data))
    ]


def _of_label() -> list[Measure]:
    """The probe of the label on plain clips and on the controls."""
    measures = [replace(probe("label"), name="linear", title="label (%)")]
    for control in ("still", "shuffled"):
        probed = of_features(judgements.linear_probe(f"{LEVEL}.{control}", "label"))
        title = f"label, {control} (%)"
        measures.append(replace(probed, name=f"linear_{control}", title=title))
    return measures


def _add_floor(table: Table, outcomes: Outcomes, name: str, rows: pd.DataFrame) -> None:
    """Put behind a probe's accuracy that of the random network, and the difference to it."""
    numbers, text, measure = table.numbers, table.text, time_probe(name)
    summary = measure.summary(outcomes.results, [*ROWS, "level"], rows)["mean"]
    floors = [
        summary.get((row.backbone, row.data, FLOOR, row.level), math.nan)
        for row in numbers.itertuples(index=False)
    ]
    gaps = list(_differences(outcomes, name, numbers))
    columns = {
        FLOOR: floors,
        "difference": [_value(gap, "paired", "mean") for gap in gaps],
        "difference_low": [_value(gap, "paired", "low") for gap in gaps],
        "difference_high": [_value(gap, "paired", "high") for gap in gaps],
        "difference_two_way_low": [_value(gap, "two_way", "low") for gap in gaps],
        "difference_two_way_high": [_value(gap, "two_way", "high") for gap in gaps],
    }
    place = numbers.columns.get_loc(f"{measure.name}_splits") + 1
    for offset, (column, values) in enumerate(columns.items()):
        numbers.insert(place + offset, f"{measure.name}_{column}", values)
    title = f"{name}: {FLOOR} (%)"
    shown = [_text(floor, gap, table.notes) for floor, gap in zip(floors, gaps, strict=True)]
    text.insert(text.columns.get_loc(measure.title) + 1, title, shown)
    for place, floor in enumerate(floors):
        if not math.isnan(floor):
            made = table.origins[place, measure.title]
            table.origins[place, title] = replace(made, ablation=FLOOR)


def _differences(
    outcomes: Outcomes, name: str, numbers: pd.DataFrame
) -> Iterator[Difference | None]:
    """Each row's run less the random network at its level; None for the random network itself."""
    for row in numbers.itertuples(index=False):
        place = Place(str(row.backbone), str(row.data), str(row.ablation))
        floor = replace(place, ablation=FLOOR)
        if place == floor or not len(floor.rows(outcomes.results)):
            yield None
        else:
            measure = time_probe(name, str(row.level))
            yield difference((outcomes, outcomes), [measure], (place, floor))


def _text(floor: float, gap: Difference | None, notes: list[str]) -> str:
    """The floor of a row, and how far the row is above it."""
    if gap is None or math.isnan(floor):
        return BLANK if math.isnan(floor) else percent(floor)
    if gap.paired is None:
        return f"{percent(floor)} {note_mark(gap.missing, notes)}"
    interval = interval_text(points, gap.two_way.low, gap.two_way.high) if gap.two_way else ""
    mark = f" {note_mark(gap.missing, notes)}" if gap.missing else ""
    return f"{percent(floor)} (Δ {points(gap.paired.mean)}{interval}){mark}"


def _value(gap: Difference | None, kind: str, name: str) -> float:
    """A number of a difference, NaN where it is not known."""
    value = getattr(getattr(gap, kind, None), name, None)
    return math.nan if value is None else value
