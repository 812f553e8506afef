"""Which jobs of a study are one job of a cluster: alike trainings, and judgements of encoders.

The pretrainings of some encoders are one job, and so is all that judges some encoders, each on all
its splits, and so are some parts of a data set that are prepared. What is in which follows from the
study alone: a Snakemake that is started again asks for the same jobs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hdc.runtime.errors import InputError
from hdc.study.runs import Evaluation, Run, part_of
from hdc.study.study import Study

PREPARE, PRETRAIN, JUDGE = KINDS = ("prepare", "pretrain", "judge")
KIND_OF = {"pretrain": PRETRAIN, "finetune": JUDGE, "embed": JUDGE, "evaluate": JUDGE}  # by stage
LONGEST_SECONDS = 8 * 3600.0  # of work put into one job, so that clusters take it

Groups = dict[tuple[str, str], str]  # kind and folder of a run -> the name of its group
Seconds = Callable[[str, Run, Sequence[Evaluation]], float]  # what a run takes, by kind


def group_parts(data: str, most: Mapping[str, int], parts: int) -> list[str]:
    """The group of each part of a data set, in order; none where `most` does not name them."""
    size = most.get(PREPARE, 0)
    return [f"{prefix(PREPARE, data)}{part // size + 1:04d}" for part in range(parts) if size]


def prefix(kind: str, name: str) -> str:
    """What the names of the groups of a study or data set begin with; neither has a `-`."""
    return f"{kind}-{name}-"


def group_jobs(study: Study, most: Mapping[str, int], seconds: Seconds) -> Groups:
    """The group of each run's pretraining and of its judgement: at most `most` runs of a kind.

    Fewer where they would take longer than `LONGEST_SECONDS`. None for a kind that `most` does not
    name, and none for a pretraining on several GPUs. A pretraining that waits for another one is in
    a later group than that. Raises InputError for a kind that there is not.
    """
    if unknown := sorted(set(most) - set(KINDS)):
        raise InputError(f"group-components: expected {', '.join(KINDS)}, got {unknown[0]}")
    judged: dict[Run, list[Evaluation]] = {}
    by: dict[Run, Run] = {}  # run -> whose encoder it is judged by
    for evaluation in study.evaluations():
        judged.setdefault(evaluation.run, []).append(evaluation)
        by[evaluation.run] = study.pretrained(evaluation)
    waits = {run: len(list(waited_for(study, run))) for run in by.values()}
    trained = [run for run in sorted(waits, key=waits.__getitem__) if not _wide(study, run)]
    wanted = {
        PRETRAIN: [(run, waits[run], seconds(PRETRAIN, run, ())) for run in trained],
        JUDGE: [
            (run, waits[by[run]], seconds(JUDGE, run, judged[run]))
            for run in sorted(judged, key=lambda run: waits[by[run]])
        ],
    }
    return {
        (kind, run.folder): f"{prefix(kind, study.study)}{number:04d}"
        for kind in wanted
        if kind in most
        for number, runs in enumerate(_packed(wanted[kind], most[kind]), start=1)
        if len(runs) > 1 or kind == JUDGE  # a pretraining alone is a job
        for run in runs
    }


def waited_for(study: Study, run: Run) -> Iterator[str]:
    """The runs whose pretrainings a pretraining waits for, the last one first."""
    found: list[str] = []
    while (name := _settings(study, run, found).objective.measured_by) and name not in found:
        found.append(name)
        yield name


def _settings(study: Study, run: Run, behind: Sequence[str] = ()) -> Any:
    """What a run is pretrained by, or the last one of those that it waits for."""
    ablation = behind[-1] if behind else run.ablation
    return study.compose(run.backbone, ablation, part_of(run.pretrained_on)[0])


def _wide(study: Study, run: Run) -> bool:
    return _settings(study, run).progress.devices > 1


def _packed(runs: Iterable[tuple[Run, int, float]], most: int) -> Iterator[list[Run]]:
    """Runs in order, as many together as may be; those that wait for more begin anew."""
    group: list[Run] = []
    before, total = 0, 0.0
    for run, waits, seconds in runs:
        full = len(group) == most or total + seconds > LONGEST_SECONDS or waits != before
        if group and full:
            yield group
            group, total = [], 0.0
        group.append(run)
        before, total = waits, total + seconds
    if group:
        yield group
