"""The questions that a study declared before it was run, and what its records answer.

Only these are tested. Holm's correction runs over all of them, answered or not; every other
difference of the study is descriptive.
"""

from dataclasses import dataclass, replace
from math import inf

from hdc.analysis.measure import Measure
from hdc.analysis.measures import named
from hdc.analysis.results import joined
from hdc.analysis.run_differences import Difference, Place, difference
from hdc.analysis.seed_statistics import ALPHA, SEEDS_FOR_P, holm
from hdc.analysis.video_outcomes import Outcomes
from hdc.runtime.errors import InputError
from hdc.study.preregistered import Comparison


@dataclass(frozen=True)
class Answer:
    """What the records say about a comparison: the run less each row that it is compared with."""

    comparison: Comparison
    measures: list[Measure]
    rows: dict[str, Difference]  # by the run compared with
    against: str  # the row that decides, see `hardest`
    p: float | None = None  # over all rows, not yet over all comparisons
    p_holm: float | None = None

    @property
    def found(self) -> Difference:
        """The run less the row that decides."""
        return self.rows[self.against]

    @property
    def verdict(self) -> str:
        """`better` or `worse` only where p and the intervals agree; else why one cannot tell.

        `better` needs an interval over seeds and videos above zero against every row.
        """
        paired = self.found.paired
        if paired is None:
            return "missing"
        if paired.seeds < SEEDS_FOR_P:
            return f"cannot tell: fewer than {SEEDS_FOR_P} seeds"
        if self.p_holm is None or self.p_holm >= ALPHA:
            return "cannot tell"
        claimed = self.rows if paired.mean > 0 else {self.against: self.found}
        doubts = {name: doubt for name, row in claimed.items() if (doubt := _doubt(row))}
        if self.against in doubts:
            return f"cannot tell: {doubts[self.against]}"
        if doubts:
            name, doubt = next(iter(doubts.items()))
            return f"cannot tell: {doubt} (against {name})"
        return "better" if paired.mean > 0 else "worse"


def _doubt(row: Difference) -> str:
    """Why the interval over seeds and videos allows no answer; empty if it does."""
    if row.two_way is None or row.two_way.low is None:
        return "no interval over test videos"
    if row.two_way.low <= 0 <= row.two_way.high:
        return "other test videos might say otherwise"
    return ""


def answers(outcomes: Outcomes) -> list[Answer]:
    """What the records say about each comparison of a study, with p corrected over all of them."""
    listed = [Comparison(**facts) for facts in outcomes.results.study.get("comparisons", [])]
    compared = [_compared(outcomes, comparison) for comparison in listed]
    p_values = holm([answer.p for answer in compared])
    return [replace(answer, p_holm=p) for answer, p in zip(compared, p_values, strict=True)]


def _compared(outcomes: Outcomes, comparison: Comparison) -> Answer:
    """The answer to a comparison, without the corrected p."""
    try:
        measures = [named(outcomes.results, name) for name in comparison.measure]
    except InputError as error:  # no record has that factor: one cell is missing, not the page
        return _unknown(comparison, [], str(error))
    place, *rivals = (
        Place(comparison.backbone, comparison.data, run)
        for run in (comparison.run, *comparison.against)
    )
    rows = {
        rival.ablation: difference((outcomes, outcomes), measures, (place, rival))
        for rival in rivals
    }
    lacking = [row.missing for row in rows.values() if row.paired is None]
    if lacking:  # the missing row might be the strongest
        return _unknown(comparison, measures, joined(lacking))
    return Answer(comparison, measures, rows, *hardest(rows))


def _unknown(comparison: Comparison, measures: list[Measure], why: str) -> Answer:
    first = comparison.against[0]
    return Answer(comparison, measures, {first: Difference(None, None, None, why)}, first)


def hardest(rows: dict[str, Difference]) -> tuple[str, float | None]:
    """The row that decides how a run stands to the strongest of several, and p of saying so.

    Each difference is the run less a row, over at least one seed. Above all of them, the run is
    better than the strongest only if it is better than each: the largest p counts, and as all
    tests must succeed, none needs a correction (intersection-union test). Otherwise it may be
    worse than the strongest, for which one row above it is enough. The row with the smallest p is
    looked for among all, so p is multiplied by their number (Bonferroni): the best of many equal
    rows lies above a run by luck. Which row has the highest mean never counts.

    p is None where the deciding row has none. Source: Berger 1982, "Multiparameter hypothesis
    testing and acceptance sampling".
    """
    above = [name for name, row in rows.items() if row.paired.mean < 0]
    convinces = {
        name: (inf if row.paired.p is None else row.paired.p, -abs(row.paired.mean))
        for name, row in rows.items()
    }  # of equals the larger difference
    if not above:
        name = max(rows, key=convinces.__getitem__)
        return name, rows[name].paired.p
    name = min(above, key=convinces.__getitem__)
    p = rows[name].paired.p
    return name, None if p is None else min(1.0, p * len(rows))
