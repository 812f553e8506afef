"""What a study lacks: which records, because of which jobs, and why, as the logs of those say."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from textwrap import shorten
from typing import Any

from hdc.analysis.number_formats import sentence
from hdc.analysis.results import Results, record_path
from hdc.study.jobs import chain, read_plan, standing, writers
from hdc.study.stages import RECORDED, STAGES

SHOWN = 3  # jobs that ended alike, by name
MOST_LETTERS = 160  # of a log's last words under a table
AT_FAULT = ("failed", "stopped", "unclear", "running")  # what keeps the jobs after it waiting
WORDS = {
    "failed": "failed",
    "stopped": "was stopped",
    "unclear": "did not end",
    "running": "is at work",
    "missing": "has not run",
    "outdated": "is to be made again, of other settings or files",
}

Key = tuple[str, str]  # stage and name of a job


@dataclass
class Absence:
    """Jobs of a stage that ended alike: how, in which words, and the records that lack for it."""

    stage: str
    state: str  # one of WORDS
    words: str  # of their logs; empty where there are none
    jobs: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)

    @property
    def causes(self) -> list[Key]:
        """The jobs by stage and name."""
        return [(self.stage, name) for name in self.jobs]

    def text(self, *, short: bool = False) -> str:
        """In words; `short`: with some of many jobs, and the beginning of a long line of a log."""
        title = "preparing" if self.stage == "prepare" else STAGES[self.stage].title
        names = [_in_words(name) for name in self.jobs[: SHOWN if short else None]]
        if len(self.jobs) > len(names):
            names.append(f"and {len(self.jobs) - len(names):,} more")
        words = shorten(self.words, MOST_LETTERS, placeholder=" ...") if short else self.words
        said = f" ({words})" if words else ""
        return sentence(f"{title} {WORDS[self.state]}: {'; '.join(names)}{said}.")


def absent_records(results: Results) -> list[str]:
    """The records that are not there, but for damaged ones and those of runs that cannot be."""
    known = {*results.damaged, *results.impossible}
    return [path for path in results.missing if path not in known]


def absences(results: Results) -> list[Absence]:
    """Why records are not there; jobs that ended alike stand together, in the order of tables.

    Each record counts once, with the first job that keeps it waiting.
    """
    absent = set(absent_records(results))
    if not absent:
        return []
    plan, at_work = read_plan(results.path.parent), writers()
    stand = cache(lambda key: standing(plan.jobs[key], at_work))
    found: dict[tuple[str, str, str], Absence] = {}
    for path, jobs in _waiting(results, absent):
        (stage, name), known = _cause(jobs, path in results.outdated, stand)
        kind = (stage, known["state"], known.get("words", ""))
        absence = found.setdefault(kind, Absence(*kind))
        absence.records.append(path)
        if name not in absence.jobs:
            absence.jobs.append(name)
    return list(found.values())


def missing_records_line(results: Results) -> str:
    """What is missing and why, for the caption of a table; empty if nothing is."""
    found = absences(results)
    if not found:
        return ""
    count, expected = sum(len(one.records) for one in found), results.expected()
    said = " ".join(one.text(short=True) for one in found)
    return f"Missing: {count:,} of {expected:,} records. {said}"


def _waiting(results: Results, absent: set[str]) -> Iterator[tuple[str, list[Key]]]:
    """Each absent record once, with the jobs that it waits for."""
    left = set(absent)
    for row in results.evaluations.itertuples(index=False):
        for stage in RECORDED:
            if (path := record_path(row, stage)) in left:
                left.remove(path)
                yield path, chain(results.study["study"], row._asdict(), stage)


def _cause(
    jobs: list[Key], outdated: bool, stand: Callable[[Key], dict[str, Any]]
) -> tuple[Key, dict[str, Any]]:
    """The first job that ended early and how, or the last of them and that it has not run."""
    for key in jobs:
        if (known := stand(key))["state"] in AT_FAULT:
            return key, known
    return jobs[-1], {"state": "outdated" if outdated else "missing"}


def _in_words(name: str) -> str:
    """As in `hdc on r3d18, seed 0, ucf101-split1`, and what it is judged on; or a data set."""
    backbone, *more = name.split("/")
    if not more:
        return name
    ablation, seed, *places = more
    return ", ".join([f"{ablation} on {backbone}", seed.replace("seed", "seed "), *places])
