"""Joins results of one study that were made on several machines or in parts.

A job that is done there and not here comes over whole: what it made, what a training logged, and
its log. Nothing that is here is changed, but for the list of runs in study.json. A published copy
has the records and what tables need beside them, and no encoder or features.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hdc.commands.parts_of_a_study import Part, joined_plan, require_same_making
from hdc.runtime.atomic_files import open_atomically, write_text
from hdc.runtime.errors import InputError
from hdc.runtime.lock import holder
from hdc.study.jobs import is_done, read_plan
from hdc.study.record_files import RecordFile
from hdc.study.stages import STAGES

RESULTS = Path("results")
BLOCK = 2**20  # bytes read at a time


@dataclass
class Arrivals:
    """What comes over, by where it goes, in the order in which it is written; and what does not."""

    folder: Path  # of the study here
    files: dict[Path, RecordFile] = field(default_factory=dict)
    times: dict[Path, Path] = field(default_factory=dict)  # of what an earlier file was made with
    jobs: int = 0
    known: int = 0  # jobs that were there, with the same bytes
    conflicts: list[str] = field(default_factory=list)

    def at(self, path: Path) -> RecordFile | None:
        """What will be at a path; None: nothing."""
        return path if path.is_file() else self.files.get(path)

    def add(self, part: Part, stage: str, name: str) -> None:
        """Let a finished job come over, or note what speaks against it."""
        there = part.plan.jobs[stage, name].output.parent
        here, first = self.folder / "runs" / name, STAGES[stage].first_output
        standing = self.at(here / first)
        same = standing is not None and _same(there / first, standing)
        if standing is not None and not same:
            self.conflicts.append(f"{standing} and {there / first}")
            return
        if holder(here / "state/lock") is not None:
            raise InputError(f"{here}: expected no job at work, found one; wait for it, or stop it")
        # What tells that a job is done comes last.
        for file in (STAGES[stage].training_log, *reversed(STAGES[stage].outputs.values())):
            source, path = there / file, here / file
            if not file or not source.is_file():
                continue
            if self.at(path) is None:
                self.files[path] = source
                self.times |= {path: here / first} if same else {}
            elif not same and not _same(source, path):
                self.conflicts.append(f"{path} and {source}")
        self.jobs += not same
        self.known += same

    def add_log(self, part: Part, stage: str, name: str) -> None:
        """Let the log of a job come over that was done there, or that nobody has done."""
        log, output = Path("logs", stage, f"{name}.log"), part.plan.jobs[stage, name].output
        done = self.at(self.folder / "runs" / name / STAGES[stage].first_output)
        here, there = self.folder / log, part.folder / log
        if there.is_file() and self.at(here) is None and str(done) in (str(None), str(output)):
            self.files[here] = there


def merge(
    study: str,
    sources: Sequence[Path],
    *,
    allow_other_settings: bool = False,
    allow_other_commits: bool = False,
    dry_run: bool = False,
) -> None:
    """Bring the finished jobs of other folders of a study into results/<study>, each file whole.

    May be repeated, also after it was cut off. Raises InputError, before anything is written, for a
    folder of no or of another study, a damaged record, jobs that are here with other bytes, and,
    unless they are allowed, records of other settings, prepared data or commits.
    """
    folder = RESULTS / study
    here = [Part.read(folder)] if (folder / "study.json").is_file() else []
    parts = [Part.read(source) for source in sources]
    for part in parts:
        if part.plan.study != study:
            raise InputError(f"{part.folder}: expected results of {study}, found {part.plan.study}")
    require_same_making(
        [*here, *parts], settings=not allow_other_settings, commits=not allow_other_commits
    )
    arrivals, would = Arrivals(folder), "would come" if dry_run else "come"
    for part in parts:
        jobs, known = arrivals.jobs, arrivals.known
        for stage, name in part.done:
            arrivals.add(part, stage, name)
        print(
            f"{part.folder}: {arrivals.jobs - jobs} jobs {would} over, "
            f"{arrivals.known - known} were there already"
        )
    _require_no_conflict(arrivals)
    for part in parts:
        for stage, name in part.jobs:
            arrivals.add_log(part, stage, name)
    plan = joined_plan([part.content for part in (*here, *parts)])
    print(f"{folder}: {len(arrivals.files)} files {would}, {len(plan['evaluations'])} evaluations")
    if not dry_run:
        for path, source in arrivals.files.items():
            _bring(source, path)
            if path in arrivals.times:  # else what was made from it would look older
                facts = arrivals.times[path].stat()
                os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        if not here or plan != here[0].content:
            write_text(folder / "study.json", json.dumps(plan))
        _say_what_next(folder)


def _require_no_conflict(arrivals: Arrivals) -> None:
    """Refuse to have two results of one job."""
    if arrivals.conflicts:
        first, *more = arrivals.conflicts
        also = f" (and so {len(more)} more)" if more else ""
        raise InputError(
            f"{first}: expected the same bytes, found others{also}; nothing was changed: delete "
            "what is not to stay"
        )


def _say_what_next(folder: Path) -> None:
    """How tables are made of it, and what to see to before more is run."""
    jobs = read_plan(folder).jobs
    left = [key for key, job in jobs.items() if key[0] in STAGES and not is_done(job)]
    print(f"tables: python -m hdc.report study={folder / 'study.json'} output_dir={folder}")
    print("or snakemake, with the file of a study that names all of these runs and seeds")
    for (stage, data), job in jobs.items():
        if stage == "prepare" and left and not is_done(job):
            print(
                f"{data} is not prepared here: before other jobs run, snakemake --cores all "
                f"{job.output}, or what came over runs again with them"
            )


def _bring(source: RecordFile, path: Path) -> None:
    """Copy a file, whole or not at all."""
    with source.open("rb") as content, open_atomically(path) as file:
        shutil.copyfileobj(content, file, BLOCK)


def _same(first: RecordFile, second: RecordFile) -> bool:
    """Whether two files have the same bytes."""
    with first.open("rb") as one, second.open("rb") as other:
        while (block := one.read(BLOCK)) == other.read(BLOCK):
            if not block:
                return True
    return False
