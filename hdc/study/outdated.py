"""Which finished jobs of a study have to be done again, told by what they left.

Snakemake knows by a hidden folder what it ran, and by the times of files what is newer. Results
that were copied have neither. Records say with which settings and from which files they were made.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from hdc.data.store import MANIFEST
from hdc.encoders.file import pretraining_list
from hdc.runtime.digest import digest
from hdc.runtime.inputs import file_digest, prepared_files
from hdc.settings.added import held
from hdc.settings.compose import settings_text
from hdc.study.runs import Evaluation, Run, part_of
from hdc.study.stages import RECORDED, RUN, STAGES
from hdc.study.study import Study


@dataclass(frozen=True)
class Settings:
    """What a stage reads of a run's settings; worked out only where something is to be compared."""

    run: Any
    reads: tuple[str, ...]

    @cached_property
    def nodes(self) -> dict[str, Any]:
        """As records hold it."""
        return held(self.run, self.reads)

    @cached_property
    def digest(self) -> str:
        """As features hold it."""
        return digest(settings_text(self.run, self.reads))


@dataclass(frozen=True)
class Job:
    """One job of a run: where it writes, what it reads, and its settings of today."""

    stage: str
    folder: str
    inputs: tuple[str, ...]
    settings: Settings

    @property
    def outputs(self) -> list[str]:
        """The paths of all that it makes."""
        return [f"{self.folder}/{name}" for name in STAGES[self.stage].outputs.values()]


def outdated(study: Study) -> dict[str, str]:
    """The first output of every finished job that would come out otherwise today -> what changed.

    So would a report that was made without all records. Jobs that lack an output are left to
    Snakemake, and so are those whose records are too old to tell. Where only the times of files say
    that a job is outdated, its outputs get the time of what they were made from.
    """
    for data in study.data_sets():
        _keep_lists(Path("results/data", data))
    reasons = {}
    plan, page = (Path("results", study.study, name) for name in ("study.json", "report.html"))
    if plan.is_file() and plan.read_text() != study.plan():
        reasons[str(plan)] = "runs of the study"
    for job in Jobs(study):
        times = [_time(path) for path in job.outputs]
        if None in times or (made := _made(job)) is None:
            continue
        reason = _settings_changed(job, made) or _inputs_changed(job, made, min(times))
        if reason:
            reasons[job.outputs[0]] = reason
    if page.is_file() and plan.is_file() and _is_partial(study, page, plan):
        reasons[str(page)] = "records than there were for the report"
    return reasons


def _is_partial(study: Study, page: Path, plan: Path) -> bool:
    """Whether a report was made without all records, or some were deleted since.

    Snakemake by itself would not miss a record of which all is there that is made from it.
    """
    if page.stat().st_mtime < plan.stat().st_mtime:
        return True
    for evaluation in study.evaluations():
        for facts in RECORDED.values():
            made = study.pretrained(evaluation) if facts.folder == RUN else evaluation
            if not Path(made.folder, facts.outputs["record"]).is_file():
                return True
    return False


class Jobs:
    """The jobs of a study's runs, each once, after those that it reads from."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._settings = cache(self._read_settings)  # thousands of jobs have few different ones

    def __iter__(self) -> Iterator[Job]:
        known = set()
        for evaluation in self.study.evaluations():
            pretrained = self.study.pretrained(evaluation)
            for job in (*self._pretraining(pretrained), *self._judging(evaluation)):
                if job.outputs[0] not in known:
                    known.add(job.outputs[0])
                    yield job

    def _pretraining(self, run: Run) -> Iterator[Job]:
        """What makes an encoder, after the run that measures its weights, if there is one."""
        data, split = part_of(run.pretrained_on)
        settings = self._settings("pretrain", run.backbone, run.ablation, data)
        inputs = prepared_files(f"results/data/{data}", split)
        if measured_by := settings.run.objective.measured_by:
            measured = replace(run, ablation=measured_by)
            yield from self._pretraining(measured)
            inputs.append(f"{measured.folder}/{STAGES['pretrain'].outputs['record']}")
        if encoder := settings.run.encoder:
            inputs += [encoder, str(pretraining_list(encoder))]
        yield Job("pretrain", run.folder, tuple(inputs), settings)

    def _judging(self, evaluation: Evaluation) -> Iterator[Job]:
        """What an encoder is judged by."""
        run = (evaluation.run.backbone, evaluation.run.ablation, evaluation.data)
        prepared = f"results/data/{evaluation.data}"
        pretrained = self.study.pretrained(evaluation).folder
        encoder = f"{pretrained}/{STAGES['pretrain'].outputs['encoder']}"
        whole, lists = prepared_files(prepared), prepared_files(prepared, evaluation.split)
        embedded = f"{evaluation.run.folder}/{evaluation.data}"
        features = f"{embedded}/{STAGES['embed'].first_output}"
        for stage, folder, inputs in (
            ("finetune", evaluation.folder, (*lists, encoder)),
            ("embed", embedded, (*whole, encoder)),
            ("evaluate", evaluation.folder, (*lists, encoder, features)),
        ):
            yield Job(stage, folder, inputs, self._settings(stage, *run))

    def _read_settings(self, stage: str, backbone: str, ablation: str, data: str) -> Settings:
        # As the stage does: it is told no protocol.
        study = replace(self.study, protocol="ours") if stage == "pretrain" else self.study
        return Settings(study.compose(backbone, ablation, data), STAGES[stage].reads)


def _keep_lists(prepared: Path) -> None:
    """Let the lists of a data set be no older than the parts they were made from.

    A part that is prepared anew deletes the lists first, so those that are there fit.
    """
    lists = [str(path) for path in (prepared / MANIFEST, *prepared.glob("*.csv"))]
    stamps = [path.stat().st_mtime_ns for path in prepared.glob("shards/*.done")]
    if stamps and (prepared / MANIFEST).is_file() and (prepared / "index.csv").is_file():
        _raise_times(lists, max(stamps))


def _made(job: Job) -> dict[str, Any] | None:
    """The `settings` and, by newer versions, the `inputs` that a job was done with; None: unknown.

    A damaged file counts as unknown; its reader refuses it.
    """
    path = Path(job.outputs[0])
    try:
        made = _header(path) if path.suffix == ".safetensors" else json.loads(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return made if isinstance(made, dict) and "settings" in made else None


def _header(path: Path) -> Any:
    """The facts in a file of tensors; its numbers, which can be many, are not read."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return json.loads(header["__metadata__"]["hdc"])


def _settings_changed(job: Job, made: dict[str, Any]) -> str:
    """The first of today's settings that a job was not done with; empty: none."""
    before = made["settings"]
    if isinstance(before, str):
        return "" if before == job.settings.digest else f"settings of {job.stage}"
    for node, wanted in job.settings.nodes.items():
        if node not in before or before[node] != wanted:
            return f"settings of {job.stage}: {_difference(before.get(node), wanted, node)}"
    return ""


def _difference(before: Any, wanted: Any, key: str) -> str:
    """The first setting that differs, with both values."""
    if isinstance(before, dict) and isinstance(wanted, dict):
        for name in sorted(before.keys() | wanted.keys()):
            inside = before.get(name, "nothing"), wanted.get(name, "nothing")
            if inside[0] != inside[1]:
                return _difference(*inside, f"{key}.{name}")
    return f"{key} was {before}, is {wanted}"


def _inputs_changed(job: Job, made: dict[str, Any], oldest: int) -> str:
    """The first of today's files that a job was not done with; empty: none.

    Only files that are newer than the oldest output, whose time is `oldest`, or that lie elsewhere
    are read. If none differs, no output stays older than them.
    """
    known, newest = made.get("inputs"), oldest
    if not isinstance(known, dict):
        return ""
    for path in job.inputs:
        time = _time(path)
        if time is None or (path in known and time <= oldest):
            continue
        if _content(path, time) not in ([known[path]] if path in known else known.values()):
            return f"files: another {path}"
        newest = max(newest, time)
    if newest > oldest:
        _raise_times(job.outputs, newest)
    return ""


def _raise_times(paths: Iterable[str], newest: int) -> None:
    """Let no file be older than `newest`, in ns since 1970."""
    for path in paths:
        times = Path(path).stat()
        if times.st_mtime_ns < newest:
            with suppress(PermissionError):  # another user's, where nothing could be made again
                os.utime(path, ns=(times.st_atime_ns, newest))


def _time(path: str) -> int | None:
    """When a file was changed, in ns since 1970; None: it is not there."""
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116, a Path costs as much again
    except OSError:
        return None


@cache
def _content(path: str, _: int) -> str:
    """The digest of a file, read once for all jobs that read it; `_` is the file's time."""
    return file_digest(path)
