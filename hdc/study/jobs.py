"""How every job of a study stands, told from files alone: outputs, locks, states and logs.

Nothing is changed, locked or imported that takes long: it may be asked while the study runs.
"""

import json
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdc.runtime.errors import InputError
from hdc.runtime.lock import holder
from hdc.study.logs import last_words, tail
from hdc.study.record_files import RecordFile, records_folder
from hdc.study.stages import RUNS, STAGES

STATES = ("done", "running", "failed", "stopped", "unclear", "missing")
OUTPUTS = {
    "prepare": "index.csv",
    **{name: facts.first_output for name, facts in STAGES.items()},
    "report": "report.html",
}
WAITS_FOR = {"finetune": ("pretrain",), "embed": ("pretrain",), "evaluate": ("pretrain", "embed")}
TRAINING_LOGS = {name: facts.training_log for name, facts in STAGES.items() if facts.training_log}

_PART = re.compile(r"\d{4,}-of-(\d{4,})")


@dataclass(frozen=True)
class Job:
    """One job of the workflow: where it writes its output and its log.

    `output` is what it declares; it is there, whole, once the job is done.
    """

    stage: str
    name: str  # below `logs/<stage>/`, such as r3d18/hdc/seed0/ucf101-split1
    folder: Path
    log: Path
    output: RecordFile  # of a published study it lies in a compressed file


@dataclass(frozen=True)
class Plan:
    """The jobs of a study, each once, and which of them stand in the row of which run."""

    study: str
    folder: Path
    jobs: dict[tuple[str, str], Job]  # (stage, name) -> job
    rows: dict[tuple[str, str], dict[str, list[str]]]  # (backbone, ablation) -> stage -> names


def read_plan(folder: Path) -> Plan:
    """What a study's study.json asks for; raises InputError if it is missing or broken."""
    path, records = folder / "study.json", records_folder(folder)
    try:
        content = json.loads(path.read_text())
        plan = Plan(content["study"], folder, {}, {})
        gaps = content.get("gaps", {})
        evaluations = [
            evaluation
            for evaluation in content["evaluations"]
            if f"{evaluation['backbone']}/{evaluation['ablation']}" not in gaps
        ]
        data_sets = [name for evaluation in evaluations for name in _data_sets(evaluation)]
        for data in dict.fromkeys(data_sets):
            prepared = folder.parent / "data" / data
            plan.jobs["prepare", data] = _job(plan, "prepare", data, prepared, prepared)
        for evaluation in evaluations:
            row = plan.rows.setdefault((evaluation["backbone"], evaluation["ablation"]), {})
            for stage, place in _places(evaluation).items():
                name = _name(plan.study, place)
                places = [below / "runs" / name for below in (folder, records)]
                plan.jobs[stage, name] = _job(plan, stage, name, *places)
                if name not in row.setdefault(stage, []):
                    row[stage].append(name)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{path}: expected the plan of a study, found none; start the study with snakemake "
            f"--cores all --configfile config/{folder.name}.yaml, which writes it as it begins"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected a study with evaluations, found {error!r}; "
            "let the workflow write it again"
        ) from error
    report = Job("report", "", folder, folder / "logs" / "report.log", folder / OUTPUTS["report"])
    plan.jobs["report", ""] = report
    return plan


def _job(plan: Plan, stage: str, name: str, folder: Path, place: RecordFile) -> Job:
    """A job at work in a folder, whose output lies in `place`."""
    log = plan.folder / "logs" / stage / f"{name}.log"
    return Job(stage, name, folder, log, place / OUTPUTS[stage])


def _data_sets(evaluation: dict[str, Any]) -> tuple[str, str]:
    """What an encoder is pretrained on, and what it is judged on."""
    return evaluation["pretrained_on"].partition("-split")[0], evaluation["data"]


def _places(evaluation: dict[str, Any]) -> dict[str, str]:
    """The folder that each stage writes into for an evaluation."""
    folder = evaluation["folder"]
    features = Path(folder).parent.as_posix()
    return dict(zip(STAGES, (evaluation["run_folder"], folder, features, folder), strict=True))


def chain(study: str, evaluation: dict[str, Any], stage: str) -> list[tuple[str, str]]:
    """The jobs, by stage and name, that one of an evaluation waits for, in order, and itself."""
    names = {name: _name(study, place) for name, place in _places(evaluation).items()}
    prepared = _data_sets(evaluation)[: 1 if stage == "pretrain" else 2]
    stages = (*WAITS_FOR.get(stage, ()), stage)
    return [("prepare", data) for data in prepared] + [(one, names[one]) for one in stages]


def _name(study: str, place: str) -> str:
    """What a job is called that writes into a folder."""
    return Path(place).relative_to(RUNS.format(study=study)).as_posix()


def standing(job: Job, writers: dict[tuple[int, int], int]) -> dict[str, Any]:
    """The `state` of a job and what is known of it; `writers` as by the function of that name.

    Running: a lock is held, or a process of this host has the log as its standard output. Failed
    and stopped: its log says so in its last words, or it has left a state to go on from. Unclear: a
    stage that takes no lock began, and no process of this host is at it.
    """
    worker = next((facts for path in _locks(job) if (facts := holder(path))), None)
    if worker is not None:
        return {"state": "running"} | progress(job) | worker
    if is_done(job):
        return {"state": "done"}
    if process := _writer(job.log, writers):
        # A training that has no lock yet has only what an earlier process logged.
        far = progress(job) if job.stage not in TRAINING_LOGS else {}
        me = {"host": socket.gethostname(), "process": process, "since": _began(process)}
        return {"state": "running"} | far | me
    if job.output.suffix == ".json" and job.output.is_file():
        words = f"error: not a whole record: {job.output}; delete it and run again"
        return {"state": "failed", "words": words}
    return _ended(job)


def _ended(job: Job) -> dict[str, Any]:
    """The standing of a job that is neither done nor seen at work."""
    state, words = _ending(job)
    left = _left(job)
    if state in ("missing", "unclear") and left is not None:
        state, words = "stopped", "it ended without a word"
    return {"state": state} | ({"words": words} if words else {}) | (left or {})


def _locks(job: Job) -> Iterator[Path]:
    """The locks that a job may hold; embed, evaluate and report take none."""
    if job.stage in TRAINING_LOGS:
        yield job.folder / "state" / "lock"
    if job.stage == "prepare":
        yield job.folder / "lists.lock"
        yield from sorted((job.folder / "shards").glob("*.lock"))


def is_done(job: Job) -> bool:
    """Whether the output is there; a record has to be whole, a report no older than the plan."""
    if job.stage == "report":
        return _changed(job.output) >= _changed(job.folder / "study.json")
    if job.output.suffix != ".json":
        return job.output.is_file()
    try:
        content = job.output.read_bytes()
        # How stages end a record, and nothing else in it: thousands need not be read in full.
        return content.endswith(b"\n}\n") or isinstance(json.loads(content), dict)
    except (OSError, ValueError):
        return False


def progress(job: Job) -> dict[str, Any]:
    """How far a job has come: the last whole line of a training's log, or the parts prepared."""
    if job.stage == "prepare":
        return _parts(job)
    if job.stage not in TRAINING_LOGS:
        return {}
    path = job.folder / TRAINING_LOGS[job.stage]
    for line in reversed(tail(path).split("\n")[:-1]):  # behind the last end of line: half a line
        try:
            content = json.loads(line)
            age = time.time() - path.stat().st_mtime
            facts = {"step": content["step"], "logged_seconds_ago": round(age, 1)}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        keys = ("steps", "loss", "clips_per_second", "seconds_left")
        return facts | {key: content[key] for key in keys if key in content}
    return {}


def _parts(job: Job) -> dict[str, int]:
    """How many parts of a data set are prepared, of how many; nothing before the first is begun."""
    folder = job.folder / "shards"
    times = {path: _changed(path) for path in folder.glob("*-of-*") if _PART.match(path.name)}
    if not times:
        return {}
    newest = max(times, key=lambda path: times[path])
    total = _PART.match(newest.name)[1]  # earlier ones may have been other parts
    done = sum(path.name.endswith(f"-of-{total}.json") for path in times)
    return {"parts_done": done, "parts": int(total)}


def _left(job: Job) -> dict[str, Any] | None:
    """What a job that ended early left to go on from: a training's step, or parts; else None."""
    if job.stage == "prepare":
        return _parts(job) or None
    if job.stage not in TRAINING_LOGS or not (job.folder / "state").is_dir():
        return None
    facts = progress(job)
    states = sorted((job.folder / "state").glob("*/*.pt"), key=_changed)  # other settings', too
    if not states or not states[-1].stem.isdecimal():
        return {}
    return {"step": int(states[-1].stem)} | {key: facts[key] for key in ("steps",) if key in facts}


def _ending(job: Job) -> tuple[str, str]:
    """How a job that is not done and not seen at work ended, by its logs, and the words for it."""
    logs = [job.log]
    if job.stage == "prepare":
        logs += sorted(job.log.with_suffix("").glob("*.log"))
    endings = [last_words(path) for path in logs if path.is_file()]
    for state in ("failed", "stopped"):
        for kind, line in endings:
            if kind == state:
                return kind, line
    encoder = STAGES["pretrain"].outputs["encoder"]
    finished = [f"{OUTPUTS[job.stage]}: ", f"{encoder}: ", "prepared "]
    if not endings or any(word in line for _, line in endings for word in finished):
        return "missing", ""  # never begun, or done once and its output deleted since
    return "unclear", "its log ends without a word: killed, or at work on another host"


def writers() -> dict[tuple[int, int], int]:
    """The processes of this host whose standard output is a file: (device, inode) -> process.

    Stages that take no lock are seen so. Those of other users are not seen, nor any where there is
    no /proc.
    """
    processes: dict[tuple[int, int], int] = {}
    for process in sorted(int(path.name) for path in Path("/proc").glob("[0-9]*")):
        try:
            facts = Path(f"/proc/{process}/fd/1").stat()
        except OSError:
            continue
        if stat.S_ISREG(facts.st_mode):
            processes.setdefault((facts.st_dev, facts.st_ino), process)
    return processes


def _writer(log: Path, writers: dict[tuple[int, int], int]) -> int | None:
    try:
        facts = log.stat()
    except OSError:
        return None
    return writers.get((facts.st_dev, facts.st_ino))


def _began(process: int) -> str | None:
    """When a process of this host began, as a lock would say it; None if it is gone."""
    try:
        ticks = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
        running = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return time.ctime(time.time() - running + ticks / os.sysconf("SC_CLK_TCK"))


def _changed(path: Path) -> float:
    """When a file was changed; long ago for one that is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
