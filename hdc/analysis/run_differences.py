"""How two runs of a study differ, over seeds and over test videos."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from hdc.analysis.bootstrap import BootstrapDifference, bootstrap_difference
from hdc.analysis.measure import Measure
from hdc.analysis.results import Results, by_seed, cells, joined
from hdc.analysis.seed_statistics import Paired, SeedsNeeded, paired, power_hint
from hdc.analysis.video_outcomes import Outcomes

DRAWS = 0  # the seed of the bootstrap's draws, so that a table can be made again


@dataclass(frozen=True)
class Place:
    """A run of a study on a data set: one row of a table."""

    backbone: str
    data: str
    ablation: str

    def rows(self, results: Results) -> pd.DataFrame:
        """The evaluations of that run."""
        return results.select(**vars(self))


@dataclass(frozen=True)
class Difference:
    """One run less another in the mean of some measures; None: not known, `missing` may say why."""

    paired: Paired | None  # over the seeds that both have
    two_way: BootstrapDifference | None  # over those seeds and the test videos
    seeds_needed: SeedsNeeded | None
    missing: str
    by_seed: tuple[float, ...] = ()  # over the seeds that both have, in their order


def difference(
    outcomes: tuple[Outcomes, Outcomes], measures: Sequence[Measure], places: tuple[Place, Place]
) -> Difference:
    """Compare two runs over the seeds that both have whole: every split and every measure.

    `outcomes` are those of the first run's study and of the second's, which may be the same. Splits
    are averaged inside a seed. There is no two-way interval where a measure has no outcome by video
    (R2 has none), or where the runs were tested on different videos.
    """
    asked = (outcomes, tuple(measures), places)
    return outcomes[0].once(_difference, *asked)


def _difference(
    outcomes: tuple[Outcomes, Outcomes], measures: tuple[Measure, ...], places: tuple[Place, Place]
) -> Difference:
    frames = [
        seed_values(study, measures, place) for study, place in zip(outcomes, places, strict=True)
    ]
    values = [frame["value"].dropna().to_dict() for frame in frames]
    missing = joined(reason for frame in frames for reason in frame["missing"])
    shared = sorted(values[0].keys() & values[1].keys())
    if not shared:
        names = " and ".join(place.ablation for place in places)
        return Difference(None, None, None, missing or f"no seed that {names} share")
    gaps = [values[0][seed] - values[1][seed] for seed in shared]
    two_way = _two_way(outcomes, measures, places, shared)
    return Difference(paired(*values), two_way, power_hint(gaps), missing, tuple(gaps))


def seed_values(outcomes: Outcomes, measures: Sequence[Measure], place: Place) -> pd.DataFrame:
    """Per seed the mean `value` of measures, blank where one lacks, and why they are `missing`."""
    return outcomes.once(_seed_values, outcomes, tuple(measures), place)


def _seed_values(outcomes: Outcomes, measures: tuple[Measure, ...], place: Place) -> pd.DataFrame:
    results = outcomes.results
    rows = place.rows(results)
    tables = [
        by_seed(cells(results, measure.stage, measure.path, rows), ["ablation"]).droplevel(0)
        for measure in measures
    ]
    values = pd.concat([table["value"] for table in tables], axis=1).mean(axis=1, skipna=False)
    reasons = pd.concat([table["missing"] for table in tables], axis=1).to_numpy()
    return pd.DataFrame({"value": values, "missing": [joined(row) for row in reasons]})


def _two_way(
    outcomes: tuple[Outcomes, Outcomes],
    measures: Sequence[Measure],
    places: tuple[Place, Place],
    seeds: list[int],
) -> BootstrapDifference | None:
    """The difference over seeds and videos; None where the outcomes are not all there."""
    if len(seeds) < 2 or not all(measure.outcome for measure in measures):
        return None
    studies = list(zip(outcomes, places, strict=True))
    splits = [set(place.rows(study.results)["split"]) for study, place in studies]
    if splits[0] != splits[1]:
        return None
    first, second, groups = [], [], []
    for split in sorted(splits[0]):
        runs = [
            study.once(_by_video, study, tuple(measures), place, tuple(seeds), split)
            for study, place in studies
        ]
        if runs[0] is None or runs[1] is None or not runs[0].index.equals(runs[1].index):
            return None
        first.append(runs[0].to_numpy().T)
        second.append(runs[1].to_numpy().T)
        groups.append(outcomes[0].groups(places[0].data, int(split), runs[0].index))
    known = groups if all(group is not None for group in groups) else None
    return bootstrap_difference(first, second, seed=DRAWS, groups=known)


def _by_video(
    outcomes: Outcomes,
    measures: tuple[Measure, ...],
    place: Place,
    seeds: tuple[int, ...],
    split: int,
) -> pd.DataFrame | None:
    """Outcomes of a split, a row a test video and a column a seed; None where one is not there."""
    rows = place.rows(outcomes.results)
    rows = rows[(rows["split"] == split) & rows["seed"].isin(seeds)].sort_values("seed")
    columns = [outcomes.of(row, measures) for row in rows.itertuples(index=False)]
    if len(columns) != len(seeds) or any(column is None for column in columns):
        return None
    if not all(column.index.equals(columns[0].index) for column in columns):
        return None
    return pd.concat(columns, axis=1)
