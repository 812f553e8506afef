"""What is measured of a run: the numbers that tables show and that comparisons ask for."""

from typing import Any

from hdc.analysis.measure import Measure
from hdc.analysis.number_formats import percent
from hdc.analysis.results import LEVEL, Results, factors_of
from hdc.analysis.video_outcomes import PREDICTED
from hdc.evaluation import judgements
from hdc.evaluation.judgements import Judgement
from hdc.runtime.errors import InputError


def ranks(*studies: Results) -> list[int]:
    """Every k that some record of the studies gives R@k for, in order; 1 where none tells."""
    levels = [
        level
        for results in studies
        for record in results.of("evaluate")
        for level in record["metrics"].get("retrieval", {}).values()
    ]
    return sorted({int(name.removeprefix("r")) for level in levels for name in level}) or [1]


def fine_tuned(metric: str = "top1", title: str = "top-1 (%)") -> Measure:
    """Fine-tuned accuracy."""
    outcome = PREDICTED if metric == "top1" else ""
    return Measure(metric, title, "finetune", ("metrics", metric), outcome=outcome)


def of_features(judged: Judgement, **shown: Any) -> Measure:
    """What the stage evaluate found in frozen features; `shown`: fields of the measure to set."""
    path = ("metrics", *judged.path)
    return Measure(judged.name, judged.title, "evaluate", path, outcome=judged.outcome, **shown)


def recall(rank: int) -> Measure:
    """Retrieval at the last level: whether one of the nearest `rank` videos has the label."""
    return of_features(judgements.recall(LEVEL, rank))


def nearest_neighbors() -> list[Measure]:
    """Other numbers from nearest neighbors at the last level."""
    made = (judgements.average_precision, judgements.neighbor_vote)
    return [of_features(judge(LEVEL)) for judge in made]


def probe(factor: str, kind: str = "accuracy") -> Measure:
    """A linear probe at the last level: accuracy, or R2 for a factor on a scale."""
    show = percent if kind == "accuracy" else "{:z.2f}".format
    judged = judgements.linear_probe(LEVEL, factor, kind)
    return of_features(judged, show=show, show_spread=show)


def time_probe(probe: str, level: str = LEVEL) -> Measure:
    """A probe of time at the last level, or at another."""
    return of_features(judgements.time_probe(level, probe), of_some=True)


def probes_of_time(results: Results) -> list[str]:
    """The names of the probes of time that some record of a study has."""
    found = {
        probe
        for record in results.of("evaluate")
        for probes in record["metrics"].get("time_probes", {}).values()
        for probe in probes
    }
    return [probe for probe in judgements.TIME_PROBES if probe in found]


def probes(results: Results) -> list[Measure]:
    """The linear probes of a study: of the label, then of each factor that its data sets have."""
    kinds = {"label": "accuracy"}  # also where no record tells
    for data in results.evaluations["data"].unique():
        kinds |= factors_of(results, data)
    return [probe(factor, kind) for factor, kind in kinds.items()]


def compared(results: Results) -> dict[str, Measure]:
    """What runs can be compared by, under the name that a study's comparisons give it."""
    measures = [fine_tuned(), *map(recall, ranks(results)), *nearest_neighbors()]
    measures += map(time_probe, probes_of_time(results))
    known = {measure.name: measure for measure in measures}
    return known | {f"linear_{measure.name}": measure for measure in probes(results)}


def by_video(results: Results) -> list[Measure]:
    """What some table, figure or comparison asks single test videos for."""
    levels = dict.fromkeys(
        level
        for record in results.of("evaluate")
        for level in record["metrics"].get("time_probes", {})
    )
    timed = [time_probe(probe, level) for probe in probes_of_time(results) for level in levels]
    return [*compared(results).values(), *timed]


def named(results: Results, name: str) -> Measure:
    """A measure by the name that a study's comparisons give it, the same as in the ablation table.

    Raises InputError that lists the names there are.
    """
    known = compared(results)
    if name not in known:
        raise InputError(f"measure: expected one of {', '.join(known)}, found {name}")
    return known[name]
