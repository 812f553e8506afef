"""The table of the ablations: every run, its numbers and what it differs by from the method."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pandas as pd

from hdc.analysis.measure import ROWS, Measure
from hdc.analysis.measures import fine_tuned, probes, ranks, recall
from hdc.analysis.number_formats import (
    BLANK,
    interval_text,
    p_text,
    points,
    seeds_text,
)
from hdc.analysis.results import BASE, Results
from hdc.analysis.run_differences import Difference, Place, difference
from hdc.analysis.seed_statistics import ALPHA, holm
from hdc.analysis.verdicts import Answer
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.captions import HOW, chance_line, protocol_line, trained_on_labels
from hdc.reporting.tables.build import build, note_mark
from hdc.reporting.tables.table import Table

COMPARED_FACTORS = ("label", "shape", "motion")
DIFFERENCE = (
    f"Δ: difference to {BASE}, seed by seed, in percentage points, with the 95 % interval over "
    "seeds (Student t), which speaks of other seeds on these test videos. The CSV file and the "
    "figure have the interval over seeds and test videos, too (two-way bootstrap, 10,000 draws), "
    "which is too narrow for fewer than about 10 seeds. p is given for comparisons that the study "
    "declared beforehand, corrected over all of them (Holm); every other difference is descriptive."
)
BOLD = (
    "Bold: better than every other run of its kind beyond doubt (p corrected over the others, and "
    "both intervals); runs pretrained with labels, or elsewhere, are not compared."
)


def ablation_measures(results: Results) -> list[Measure]:
    """What the runs are compared by: fine-tuned, retrieved, probed at the last level."""
    compared = [measure for measure in probes(results) if measure.name in COMPARED_FACTORS]
    made_of_parts = len(compared) > 1  # a label that is a pair of factors says nothing of its own
    named_so = [
        replace(
            measure,
            name=f"linear_{measure.name}",
            visible=measure.name != "label" or not made_of_parts,
        )
        for measure in compared
    ]
    return [fine_tuned(), recall(ranks(results)[0]), *named_so]


def ablation_table(outcomes: Outcomes, answers: list[Answer]) -> Table:
    """Every run with its question, its numbers and their differences to the base run."""
    results, measures = outcomes.results, ablation_measures(outcomes.results)
    retrieved = measures[1].title.removesuffix(" (%)")
    probed = [measure.title.removesuffix(" (%)") for measure in measures[2:]]
    caption = (
        f"{HOW} top-1: {trained_on_labels(results)}, by video. The rest: frozen "
        f"features at the last level, with linear probes for {', '.join(probed)}. {DIFFERENCE} "
        f"{BOLD} "
        f"{protocol_line(results, 'finetune', 'evaluate')} "
        f"{chance_line(results, retrieved, *probed)}"
    )
    table = build(results, "ablation", "What each part is good for", caption, measures)
    _add_questions(table, results)
    _add_differences(table, outcomes, measures, answers)
    return replace(table, bold=frozenset(_bold(table, outcomes, measures)))


def differences(
    outcomes: Outcomes, measure: Measure, rows: pd.DataFrame
) -> list[Difference | None]:
    """Each row's run less the base run, in one measure; None for the base run itself.

    `rows` have backbone, data and ablation.
    """
    return [
        None
        if place.ablation == BASE
        else difference((outcomes, outcomes), [measure], (place, replace(place, ablation=BASE)))
        for place in _places(rows)
    ]


def _add_questions(table: Table, results: Results) -> None:
    names = results.study["ablations"]
    asked = [names.get(run, {}).get("question", "") for run in table.numbers["ablation"]]
    table.text.insert(table.text.columns.get_loc("run") + 1, "question", asked)
    table.numbers.insert(len(ROWS), "question", asked)


def _add_differences(
    table: Table, outcomes: Outcomes, measures: list[Measure], answers: list[Answer]
) -> None:
    """Put behind every number what it differs by from that of the base run."""
    numbers, text = table.numbers, table.text
    for measure in measures:
        gaps = differences(outcomes, measure, numbers)
        p_values = [_declared_p(answers, measure, place) for place in _places(numbers)]
        columns = {
            "": [difference_value(gap, "paired", "mean") for gap in gaps],
            "_spread": [difference_value(gap, "paired", "spread") for gap in gaps],
            "_low": [difference_value(gap, "paired", "low") for gap in gaps],
            "_high": [difference_value(gap, "paired", "high") for gap in gaps],
            "_seeds": [gap.paired.seeds if gap and gap.paired else 0 for gap in gaps],
            "_two_way_low": [difference_value(gap, "two_way", "low") for gap in gaps],
            "_two_way_high": [difference_value(gap, "two_way", "high") for gap in gaps],
            "_effect_size": [difference_value(gap, "paired", "effect_size") for gap in gaps],
            "_p_holm": [math.nan if p is None else p for p in p_values],
        }
        place = numbers.columns.get_loc(f"{measure.name}_splits") + 1
        for offset, (column, values) in enumerate(columns.items()):
            numbers.insert(place + offset, f"{measure.name}_difference{column}", values)
        if measure.visible:
            title = f"Δ {measure.title.removesuffix(' (%)')}"
            shown = zip(gaps, p_values, numbers["seeds"], strict=True)
            told = [difference_text(gap, p, seeds, table.notes) for gap, p, seeds in shown]
            text.insert(text.columns.get_loc(measure.title) + 1, title, told)
            for row in range(len(text)):
                table.origins[row, title] = table.origins[row, measure.title]


def difference_text(gap: Difference | None, p: float | None, seeds: int, notes: list[str]) -> str:
    """A difference for people; one that is missing or incomplete points to a note that says why."""
    if gap is None:
        return BLANK
    mark = f" {note_mark(gap.missing, notes)}" if gap.missing else ""
    if gap.paired is None:
        return f"missing{mark}"
    text = points(gap.paired.mean)
    text += interval_text(points, gap.paired.low, gap.paired.high)
    if gap.paired.seeds < seeds:
        text += f" ({seeds_text(gap.paired.seeds)})"
    return text + mark + ("" if p is None else f", {p_text(p)}")


def difference_value(gap: Difference | None, kind: str, name: str) -> float:
    """A number of a difference, NaN where it is not known."""
    part = getattr(gap, kind) if gap is not None else None
    value = getattr(part, name) if part is not None else None
    return math.nan if value is None else value


def _declared_p(answers: Iterable[Answer], measure: Measure, place: Place) -> float | None:
    """The corrected p of the comparison of a run with the base run in one measure, if declared."""
    for answer in answers:
        comparison = answer.comparison
        same = (comparison.backbone, comparison.data) == (place.backbone, place.data)
        pair = {comparison.run, answer.against} == {place.ablation, BASE}
        if same and pair and tuple(comparison.measure) == (measure.name,):
            return answer.p_holm
    return None


def _bold(table: Table, outcomes: Outcomes, measures: list[Measure]) -> Iterator[tuple[int, str]]:
    """Cells of runs that are better than all others of their backbone and data set."""
    taught = [_knows_more(outcomes.results, place) for place in _places(table.numbers)]
    compared = table.numbers[~pd.Series(taught, dtype=bool)]
    for _, rows in compared.groupby(["backbone", "data"], observed=True, sort=False):
        for measure in measures:
            known = rows[measure.name].notna().all()  # a run that lacks it might be the best
            if measure.visible and known and len(rows) > 1:
                best = rows[measure.name].idxmax()
                if _beyond_doubt(outcomes, measure, rows.loc[[best]], rows.drop(index=best)):
                    yield int(best), measure.title


def _beyond_doubt(
    outcomes: Outcomes, measure: Measure, best: pd.DataFrame, rivals: pd.DataFrame
) -> bool:
    """Whether a run is better than each of the others by corrected p and by both intervals."""
    place = next(_places(best))
    gaps = [
        difference((outcomes, outcomes), [measure], (place, rival)) for rival in _places(rivals)
    ]
    p_values = holm([gap.paired.p if gap.paired else None for gap in gaps])
    return all(p is not None and p < ALPHA for p in p_values) and all(
        gap.two_way is not None and gap.two_way.low is not None and gap.two_way.low > 0
        for gap in gaps
    )


def _knows_more(results: Results, place: Place) -> bool:
    """Whether a run was pretrained with labels, or elsewhere, on who knows what."""
    all_settings = [record["settings"] for record in results.of("pretrain", **vars(place))]
    return any(
        settings.get("encoder") or settings.get("pretrain", {}).get("labels")
        for settings in all_settings
    )


def _places(rows: pd.DataFrame) -> Iterator[Place]:
    for row in rows[ROWS].itertuples(index=False):
        yield Place(str(row.backbone), str(row.data), str(row.ablation))
