"""Parts of one study, such as seeds that ran elsewhere: whether they fit, and the whole plan."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hdc.analysis.results import flat
from hdc.runtime.errors import InputError
from hdc.study.jobs import Plan, is_done, read_plan
from hdc.study.record_rules import read_record
from hdc.study.stages import RECORDED, STAGES

PREPARED = "results/data/"  # where files lie that all studies share

Record = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A folder of results, or a published copy: its study.json and the plan that this is."""

    folder: Path
    content: dict[str, Any]
    plan: Plan

    @classmethod
    def read(cls, folder: Path) -> "Part":
        """Read what a folder holds; raises InputError for one of no study."""
        path = folder / "study.json"
        if not path.is_file():
            raise InputError(
                f"{folder}: expected the folder of a study, with study.json, found none; "
                "name one such as /mnt/other/results/demo or results/published/demo"
            )
        plan = read_plan(folder)
        return cls(folder, json.loads(path.read_text()), plan)

    @property
    def jobs(self) -> list[tuple[str, str]]:
        """The jobs of its runs by stage and name, each after those that it reads from."""
        return [key for key in self.plan.jobs if key[0] in STAGES]

    @cached_property
    def done(self) -> list[tuple[str, str]]:
        """Those of them that are done."""
        return [key for key in self.jobs if is_done(self.plan.jobs[key])]

    def records(self) -> Iterator[tuple[str, str, Record]]:
        """Stage, name and record of each finished job; raises InputError for a damaged one."""
        for stage, name in self.done:
            if stage in RECORDED:
                path = self.plan.jobs[stage, name].output
                try:
                    yield stage, name, read_record(path)
                except InputError as error:
                    raise InputError(f"{path}: {error}; delete it there and run again") from error


def require_same_making(parts: Sequence[Part], *, settings: bool, commits: bool) -> None:
    """Refuse parts whose records were made otherwise than those of the parts before them.

    `settings`: with other settings, of a run, of the study, or from other prepared data; `commits`:
    by other code. Raises InputError that names the first record and what differs.
    """
    made: dict[tuple[str, ...], tuple[Any, str]] = {}
    codes: set[str] = set()
    for part in parts:
        new = set()
        for stage, name, record in part.records():
            where = f"{part.folder}: {stage} {name}"
            if settings:
                for key, value in _made_with(part, stage, name, record):
                    _require_known(made, key, value, where)
            new.add(_code(record))
            if commits and codes and _code(record) not in codes:
                raise InputError(
                    f"{where}: expected a record of commit {', '.join(sorted(codes))}, as the "
                    f"others, found {_code(record)}; --allow-other-commits joins them all the same"
                )
        codes |= new


def _made_with(
    part: Part, stage: str, name: str, record: Record
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What has to be one thing in all parts, by what it is."""
    backbone, ablation, _, on, *judged = name.split("/")
    run = (stage, ablation, backbone, on.partition("-split")[0], *judged[:1])
    yield ("settings", " ".join(run)), record["settings"]
    own = {key: part.content.get(key) for key in ("scale", "settings")}
    yield ("study", "its own"), {key: value for key, value in own.items() if value}
    for path, content in record.get("inputs", {}).items():
        if path.startswith(PREPARED):
            yield ("prepared data", path), content


def _require_known(
    made: dict[tuple[str, ...], tuple[Any, str]], key: tuple[str, ...], value: Any, where: str
) -> None:
    """Note how something was made the first time, and refuse another way."""
    before, first = made.setdefault(key, (value, where))
    if before == value:
        return
    found = f"another {key[1]}"
    if isinstance(value, dict):
        old, new = flat(before), flat(value)
        changed = next(one for one in [*old, *new] if old.get(one) != new.get(one))
        found = (
            f"others: {changed} was {old.get(changed, 'nothing')}, is {new.get(changed, 'nothing')}"
        )
    raise InputError(
        f"{where}: expected the {key[0]} of {first}, found {found}; "
        "--allow-other-settings joins them all the same"
    )


def _code(record: Record) -> str:
    """The code that made a record, in words."""
    commit = record.get("commit") or "none, not in a checkout"
    return f"{commit}, modified" if record.get("modified") else commit


def joined_plan(plans: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One study.json of several: the runs of all; of what can only be once, that of the first."""
    whole = {key: value for plan in reversed(plans) for key, value in plan.items()}
    order = dict.fromkeys(key for plan in plans for key in plan)
    whole = {key: whole[key] for key in order}
    for key in ("ablations", "gaps"):
        if key in whole:
            whole[key] = {name: one for plan in plans for name, one in plan.get(key, {}).items()}
    evaluations = {one["folder"]: one for plan in plans for one in plan["evaluations"]}
    whole["evaluations"] = list(evaluations.values())
    if "comparisons" in whole:
        declared = [one for plan in plans for one in plan.get("comparisons", [])]
        whole["comparisons"] = [
            one for place, one in enumerate(declared) if one not in declared[:place]
        ]
    return whole
