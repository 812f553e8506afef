"""The questions that a study declared before it was run, and what its records answer.

Only these are tested. Holm's correction runs over all of them, answered or not; every other
difference of the study is descriptive.
"""

from dataclasses import dataclass, replace

import pandas as pd

from hdc.declared import Contrast
from hdc.differences import Difference, Place, difference, seed_values
from hdc.errors import InputError
from hdc.measures import Measure
from hdc.outcomes import Outcomes
from hdc.quantities import named
from hdc.results import joined
from hdc.statistics import ALPHA, SEEDS_FOR_P, holm


@dataclass(frozen=True)
class Answer:
    """What the records say to a contrast; `against` is the run that it was compared with."""

    contrast: Contrast
    against: str
    measures: list[Measure]
    found: Difference
    p_holm: float | None

    @property
    def verdict(self) -> str:
        """`better` or `worse` only where p and both intervals agree; else why one cannot tell."""
        paired, two_way = self.found.paired, self.found.two_way
        if paired is None:
            return "missing"
        if paired.seeds < SEEDS_FOR_P:
            return f"cannot tell: fewer than {SEEDS_FOR_P} seeds"
        if self.p_holm is None or self.p_holm >= ALPHA:
            return "cannot tell"
        if two_way is None or two_way.low is None:
            return "cannot tell: no interval over test videos"
        if two_way.low <= 0 <= two_way.high:
            return "cannot tell: other test videos might say otherwise"
        return "better" if paired.mean > 0 else "worse"


def answers(outcomes: Outcomes) -> list[Answer]:
    """What the records say to each contrast of a study, with p corrected over all of them."""
    listed = [Contrast(**one) for one in outcomes.results.study.get("contrasts", [])]
    compared = [_compared(outcomes, contrast) for contrast in listed]
    p_values = [one.found.paired.p if one.found.paired else None for one in compared]
    return [replace(one, p_holm=p) for one, p in zip(compared, holm(p_values), strict=True)]


def _compared(outcomes: Outcomes, contrast: Contrast) -> Answer:
    """The answer to a contrast, without the corrected p."""
    try:
        measures = [named(outcomes.results, name) for name in contrast.measure]
    except InputError as error:  # no record tells such a factor: one cell is missing, not the page
        unknown = Difference(None, None, None, str(error))
        return Answer(contrast, contrast.against[0], [], unknown, None)
    first, *others = (
        Place(contrast.backbone, contrast.data, run) for run in (contrast.run, *contrast.against)
    )
    tables = [seed_values(outcomes, measures, place) for place in (first, *others)]
    lacking = [table for table in tables[1:] if table["value"].isna().all()]
    if lacking:  # it might be the strongest
        why = joined(reason for table in lacking for reason in table["missing"])
        unknown = Difference(None, None, None, why or "a run to compare with has no number")
        return Answer(contrast, others[0].ablation, measures, unknown, None)
    against = others[_strongest(tables)]
    found = difference((outcomes, outcomes), measures, (first, against))
    return Answer(contrast, against.ablation, measures, found, None)


def _strongest(tables: list[pd.DataFrame]) -> int:
    """Which of the runs after the first has the highest mean, over the seeds that all have.

    If they share none, over those that each has. Choosing it by the reported numbers flatters it,
    which favors none of our own claims.
    """
    values = pd.concat([table["value"] for table in tables], axis=1)
    shared = values.dropna()
    means = (shared if len(shared) else values).mean()
    return int(means.to_numpy()[1:].argmax())
