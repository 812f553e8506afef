"""The table of what a study declared beforehand: each question with its test and its answer."""

import math
from typing import Any

import pandas as pd

from hdc.analysis.number_formats import (
    interval_text,
    p_text,
    percent,
    points,
    seeds_text,
)
from hdc.analysis.results import Results
from hdc.analysis.seed_statistics import ALPHA, POWER, detectable_effect
from hdc.analysis.verdicts import Answer
from hdc.reporting.tables.build import doubt_marks, note_mark
from hdc.reporting.tables.table import Origin, Table

HOW = (
    "Differences in percentage points (of R² where a measure has one: hundredths). Seeds: 95 % "
    "interval over seeds (Student t), for other seeds on these test videos. Seeds and videos: "
    "two-way bootstrap, for other test videos, too; with few seeds it is too narrow (it held the "
    "truth in 84 % of simulations with 5 seeds, 89 % with 10). d: mean / standard deviation of the "
    "paired differences. p: paired t test, from 5 seeds on, corrected over all comparisons (Holm). "
    "Seeds needed: how many would show the difference seen at 80 % power uncorrected, with its "
    "range. The answer is better or worse only where p is below 0.05 and the interval over seeds "
    "and videos leaves out zero."
)
SEVERAL = (
    "Against several rows: better only if better than each of them, so the one shown, the hardest, "
    "is that with the largest p; where the run is below some, the one of these with the smallest p "
    "is shown, and this p is multiplied by the number of rows."
)
NONE = "This study declared no comparison beforehand: every difference in it is descriptive."


def preregistered_table(results: Results, answers: list[Answer]) -> Table:
    """One row a declared comparison, in the study's order."""
    columns = ["question", "run", "against", "in", "Δ", "seeds", "seeds and videos", "d", "p"]
    columns += ["seeds needed", "answer", "n"]
    notes: list[str] = []
    rows = [_text(results, answer, notes) for answer in answers]
    text = pd.DataFrame(rows, columns=columns, dtype=str)
    numbers = pd.DataFrame([_numbers(answer) for answer in answers], columns=list(COLUMNS))
    several = SEVERAL if any(len(answer.comparison.against) > 1 for answer in answers) else ""
    caption = f"{HOW} {several} {_power(answers)}".replace("  ", " ") if answers else NONE
    origins = {
        (row, "Δ"): Origin(measure.stage, comparison.backbone, comparison.data, comparison.run)
        for row, answer in enumerate(answers)
        for comparison, measure in [(answer.comparison, first) for first in answer.measures[:1]]
    }
    title = "What the study set out to test"
    return Table("preregistered", title, caption.strip(), numbers, text, notes, origins)


def _text(results: Results, answer: Answer, notes: list[str]) -> list[str]:
    comparison, paired, two_way = answer.comparison, answer.found.paired, answer.found.two_way
    several = len(comparison.against) > 1 and paired is not None
    place = {"backbone": comparison.backbone, "data": comparison.data}
    run, against = (
        name + doubt_marks(results, notes, **place, ablation=name)
        for name in (comparison.run, answer.against if paired else ", ".join(comparison.against))
    )
    if several:
        against += f" (hardest of {len(comparison.against)})"
    row = [comparison.question, run, against, " and ".join(comparison.measure)]
    lost = f" {note_mark(answer.found.missing, notes)}" if answer.found.missing else ""
    if paired is None:
        mark = f"missing{lost}"
        return [*row, mark, "", "", "", "", "", answer.verdict, seeds_text(0)]
    over_seeds = interval_text(points, paired.low, paired.high).strip()
    over_both = interval_text(points, *_ends(two_way)).strip()
    effect = "" if paired.effect_size is None else f"{paired.effect_size:.2f}"
    p = "" if answer.p_holm is None else p_text(answer.p_holm).removeprefix("p ")
    needed = "" if answer.found.seeds_needed is None else str(answer.found.seeds_needed)
    row += [points(paired.mean) + lost, over_seeds or "not known", over_both or "not known"]
    return [*row, effect, p, needed, answer.verdict, seeds_text(paired.seeds)]


COLUMNS = (
    "question", "run", "against", "measures", "backbone", "data", "difference", "spread", "low",
    "high", "two_way_low", "two_way_high", "videos", "groups", "effect_size", "p", "p_holm",
    "seeds_needed", "seeds_needed_fewest", "seeds_needed_most", "seeds", "answer", "missing",
)  # fmt: skip


def _numbers(answer: Answer) -> list[Any]:
    comparison, gap = answer.comparison, answer.found
    paired, two_way, needed = gap.paired, gap.two_way, gap.seeds_needed
    row = [comparison.question, comparison.run, answer.against, " and ".join(comparison.measure)]
    row += [comparison.backbone, comparison.data]
    row += [_part(paired, name) for name in ("mean", "spread", "low", "high")]
    row += [_part(two_way, name) for name in ("low", "high", "videos", "groups")]
    row += [_part(paired, "effect_size"), _known(answer.p), _known(answer.p_holm)]
    row += [_part(needed, name) for name in ("seeds", "fewest", "most")]
    return [*row, 0 if paired is None else paired.seeds, answer.verdict, gap.missing]


def _ends(two_way: Any) -> tuple[float | None, float | None]:
    return (None, None) if two_way is None else (two_way.low, two_way.high)


def _part(whole: Any, name: str) -> float | int:
    return math.nan if whole is None else _known(getattr(whole, name))


def _known(value: float | int | None) -> float | int:
    return math.nan if value is None else value


def _power(answers: list[Answer]) -> str:
    """What the seeds of the study could show at worst, before any was run."""
    seeds = min(answer.found.paired.seeds if answer.found.paired else 0 for answer in answers)
    if seeds < 2:
        return ""
    count = len(answers)
    single, corrected = (detectable_effect(seeds, alpha=ALPHA / many) for many in (1, count))
    return (
        f"With {seeds} seeds, {percent(POWER).removesuffix('.0')} % power needs d of {single:.1f} "
        f"for one comparison alone, {corrected:.1f} for the first of {count}."
    )
