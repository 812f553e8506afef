"""What a study takes, told before it runs: jobs, submissions, time, disk and the longest chain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from hdc.data.preparation.sources import count_shards
from hdc.runtime.input_names import tracks_of
from hdc.settings.compose import typed
from hdc.study.groups import KIND_OF, Groups, group_jobs, group_parts, waited_for
from hdc.study.needs import (
    MADE_SECONDS,
    PREPARED_SECONDS,
    START_SECONDS,
    Estimates,
    Needs,
    count_videos,
    feature_bytes,
)
from hdc.study.rates import Rate, Rates, parameters
from hdc.study.runs import Evaluation, Run, part_of
from hdc.study.stages import RUN
from hdc.study.study import Study

RUN_PARTS = len(RUN.split("/"))  # of the path of a run's folder
OTHER_BYTES = 2**21  # assumed: records, predictions, maps and pictures of one evaluation


@dataclass
class Stage:
    """The jobs of a stage, all together."""

    jobs: int = 0
    measured: int = 0  # those whose time follows from the rate of a finished run
    gpu_hours: float = 0.0
    core_hours: float = 0.0
    memory: int = 0  # MiB, the most that one asks for
    longest: float = 0.0  # hours, of one job

    def add(self, needs: Needs) -> None:
        """Count one more job."""
        hours = needs.seconds / 3600
        self.jobs += 1
        self.measured += needs.measured
        self.gpu_hours += hours * needs.gpus
        self.core_hours += hours * needs.processors
        self.memory = max(self.memory, needs.memory)
        self.longest = max(self.longest, hours)


@dataclass
class Forecast:
    """Of all jobs of a study, whatever of them is done."""

    study: str
    on_gpu: bool
    stages: dict[str, Stage]
    submissions: int
    disk: Mapping[str, float]  # bytes, of what
    chain: list[tuple[str, float]]  # stages of jobs that wait for each other, hours
    rates: Mapping[str, Rate]  # by backbone


Place = tuple[str, str]  # stage, and the folder or the data set of a job


def forecast(
    study: Study, found: Mapping[str, int], rates: Rates, most: Mapping[str, int]
) -> Forecast:
    """What is to be expected of a study, of whose videos `found` are there; `most`: of groups."""
    estimates = Estimates(study, found, rates)
    evaluations = list(study.evaluations())
    jobs = dict(_jobs(study, evaluations, estimates))
    stages: dict[str, Stage] = {}
    for (stage, _), needs in jobs.items():
        stages.setdefault(stage, Stage()).add(needs)
    # As the workflow does: what is measured changes, and the groups with it.
    groups = group_jobs(study, most, Estimates(study, found, Rates(True, {})).seconds)
    parts = [
        group_parts(name, most, sum(place[1].startswith(f"{name} part ") for place in jobs))
        for name in study.data_sets()
    ]
    names = [*(_group(place, groups) for place in jobs), *chain(*parts)]
    grouped = [name for name in names if name]
    data = next(iter(study.evaluate_on))
    return Forecast(
        study.study,
        rates.on_gpu,
        stages,
        len(jobs) - len(grouped) + len(set(grouped)),
        _disk(study, evaluations, found),
        max((_chain(study, one, jobs) for one in evaluations), key=_hours),
        {
            backbone: rates.training(study.compose(backbone, "hdc", data))
            for backbone in study.backbones
        },
    )


def _jobs(
    study: Study, evaluations: Sequence[Evaluation], estimates: Estimates
) -> Iterator[tuple[Place, Needs]]:
    """Every job of a study; those that several evaluations need come again."""
    short = Needs(START_SECONDS, False, 0, 1, 0)
    yield ("plan", ""), short
    yield ("report", ""), short
    for name in study.data_sets():
        yield from _preparations(study, name, estimates.found)
    for one in evaluations:
        for run in _pretrainings(study, one):
            place = part_of(run.pretrained_on)
            yield ("pretrain", run.folder), estimates.of("pretrain", *_names(run), *place)
            if tracks := _tracks(study, run):
                yield ("flow", f"{place[0]} {tracks}"), replace(short, seconds=3600.0)
        for stage, place in _judging(one).items():
            split = None if stage == "embed" else one.split
            yield (stage, place), estimates.of(stage, *_names(one.run), one.data, split)


def _preparations(
    study: Study, name: str, found: Mapping[str, int]
) -> Iterator[tuple[Place, Needs]]:
    """The parts of a data set, a job each, and the one that puts them together."""
    run = study.compose(study.backbones[0], "hdc", name)
    data, store = typed(run, "data", "store")
    videos = found.get(name) or count_videos(run, None, 0).all
    seconds = videos * (PREPARED_SECONDS if data.synthetic is None else MADE_SECONDS)
    shards = count_shards(videos, store)
    whole = seconds if shards == 1 else 0.0
    yield ("prepare", name), Needs(START_SECONDS + whole, False, 0, 1, 0)
    for part in range(shards if shards > 1 else 0):
        needs = Needs(START_SECONDS + seconds / shards, False, 0, 1, 0)
        yield ("prepare", f"{name} part {part + 1}"), needs


def _pretrainings(study: Study, evaluation: Evaluation) -> list[Run]:
    """Those that an evaluation needs, one after the other."""
    run = study.pretrained(evaluation)
    return [*(replace(run, ablation=name) for name in waited_for(study, run)), run][::-1]


def _judging(evaluation: Evaluation) -> dict[str, str]:
    """Where the jobs of an evaluation write, by stage."""
    features = evaluation.folder.rpartition("/")[0]
    return {"finetune": evaluation.folder, "embed": features, "evaluate": evaluation.folder}


def _names(run: Run) -> tuple[str, str]:
    return run.backbone, run.ablation


def _tracks(study: Study, run: Run) -> str:
    """What is computed beside the frames of the videos that a run is pretrained on."""
    settings = study.compose(*_names(run), part_of(run.pretrained_on)[0])
    if settings.encoder or settings.pretrain.labels:
        return ""
    [objective] = typed(settings, "objective")
    return " ".join(tracks_of(objective.inputs()))


def _group(place: Place, groups: Groups) -> str | None:
    """The group of a job; its run's folder is the first seven parts of its own."""
    stage, folder = place
    return groups.get((KIND_OF.get(stage, ""), "/".join(folder.split("/")[:RUN_PARTS])))


def _chain(study: Study, one: Evaluation, jobs: Mapping[Place, Needs]) -> list[tuple[str, float]]:
    """The jobs that an evaluation's last one waits for, with their hours."""
    prepared = [place for place in jobs if place[0] == "prepare"]
    parts = [place for place in prepared if " part " in place[1]]
    first = [max(some, key=lambda place: jobs[place].seconds) for some in (parts, prepared) if some]
    trained = [("pretrain", run.folder) for run in _pretrainings(study, one)]
    places = list(_judging(one).items())
    ways = [[places[0]], places[1:]]  # fine-tuning, or embedding and evaluation
    judged = max(ways, key=lambda way: sum(jobs[place].seconds for place in way))
    places = [*dict.fromkeys(first), *trained, *judged, ("report", "")]
    return [(stage, jobs[stage, place].seconds / 3600) for stage, place in places]


def _hours(chain: Sequence[tuple[str, float]]) -> float:
    return sum(hours for _, hours in chain)


def _disk(
    study: Study, evaluations: Sequence[Evaluation], found: Mapping[str, int]
) -> dict[str, float]:
    """Bytes of prepared videos, encoders, features and the rest."""
    prepared = {
        name: count_videos(study.compose(study.backbones[0], "hdc", name), None, found.get(name, 0))
        for name in study.data_sets()
    }
    encoders = {study.pretrained(one).folder: one for one in evaluations}
    embedded = {_judging(one)["embed"]: one for one in evaluations}
    return {
        "prepared videos": sum(videos.bytes for videos in prepared.values()),
        "encoders": sum(4 * parameters(_settings(study, one)) for one in encoders.values()),
        "features": sum(
            feature_bytes(_settings(study, one), prepared[one.data]) for one in embedded.values()
        ),
        "records and tables": OTHER_BYTES * len(evaluations),
    }


def _settings(study: Study, one: Evaluation) -> Any:
    return study.compose(*_names(one.run), one.data)
