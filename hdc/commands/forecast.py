"""What a study takes, told before anything of it is submitted.

All its jobs are counted, whatever of them is done; submissions as by the `group-components` of a
profile. Times follow from the clips of a job and a rate: that of finished pretrainings of the same
network and clip under results/, on the same kind of device, or else one that is assumed. Without a
GPU here they are those of one thread a job, unless --gpu is said.

--json prints one object: `study`, `device`, `jobs`, `submissions`, `gpu_hours`, `core_hours`,
`disk_bytes`, `longest_chain_hours`; `stages`, a list of `stage`, `jobs`, `measured`, `gpu_hours`,
`core_hours`, `longest_hours`, `memory_mb`; `chain`, a list of `stage`, `hours`; `disk`, bytes by
what; `rates`, a list of `backbone`, `clips_per_second`, `measured`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hdc.commands.status import duration
from hdc.runtime.errors import InputError
from hdc.runtime.gpus import visible_gpus
from hdc.study.forecast import Forecast, forecast
from hdc.study.impossible_runs import without_impossible_runs
from hdc.study.rates import read_rates
from hdc.study.study import Study

GIB = 2**30


def show_forecast(config: Path, *, gpu: bool | None, profile: Path, as_json: bool) -> None:
    """Print what the study of a `config/<study>.yaml` takes; `gpu` None: as this machine has.

    Raises InputError for a study or a profile that cannot be read.
    """
    study = Study.read(_read(config, "a study's settings, such as config/demo.yaml"))
    if study.allow_gaps:  # else it has none, or is refused: to find out takes the networks
        study = without_impossible_runs(study)
    on_gpu = bool(visible_gpus()) if gpu is None else gpu
    settings = _read(profile / "config.yaml", "a profile of Snakemake")
    found = forecast(
        study, _found(study), read_rates(Path("results"), on_gpu=on_gpu), _most(settings, profile)
    )
    print(json.dumps(facts(found)) if as_json else page(found))


def _read(path: Path, what: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise InputError(f"{path}: expected {what}, found: {problem}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected {what}, found other content")
    return content


def _most(settings: Mapping[str, Any], profile: Path) -> dict[str, int]:
    """How many encoders a group has, of a profile."""
    given = settings.get("group-components") or {}
    if not isinstance(given, dict):
        given = dict(str(entry).split("=", 1) for entry in given)
    try:
        return {name: int(number) for name, number in given.items()}
    except ValueError:
        raise InputError(
            f"{profile / 'config.yaml'}: group-components: expected numbers, got {given}"
        ) from None


def _found(study: Study) -> dict[str, int]:
    """How many videos of each data set are there; 0: none, and its settings say how many."""
    found = {}
    for name in study.data_sets():
        try:
            found[name] = study.source(name, compare=False).found
        except InputError:
            found[name] = 0
    return found


def facts(found: Forecast) -> dict[str, Any]:
    """Everything, for scripts."""
    stages = [
        {
            "stage": name,
            "jobs": stage.jobs,
            "measured": stage.measured,
            "gpu_hours": round(stage.gpu_hours, 3),
            "core_hours": round(stage.core_hours, 3),
            "longest_hours": round(stage.longest, 3),
            "memory_mb": stage.memory,
        }
        for name, stage in found.stages.items()
    ]
    return {
        "study": found.study,
        "device": "gpu" if found.on_gpu else "processor",
        "jobs": sum(stage["jobs"] for stage in stages),
        "submissions": found.submissions,
        "gpu_hours": round(sum(stage["gpu_hours"] for stage in stages), 3),
        "core_hours": round(sum(stage["core_hours"] for stage in stages), 3),
        "disk_bytes": round(sum(found.disk.values())),
        "longest_chain_hours": round(sum(hours for _, hours in found.chain), 3),
        "stages": stages,
        "chain": [{"stage": stage, "hours": round(hours, 3)} for stage, hours in found.chain],
        "disk": {what: round(size) for what, size in found.disk.items()},
        "rates": [
            {"backbone": name, "clips_per_second": round(rate.clips, 1), "measured": rate.measured}
            for name, rate in found.rates.items()
        ],
    }


def page(found: Forecast) -> str:
    """The same for people."""
    every = facts(found)
    rows = [("stage", "jobs", "GPU hours", "core hours", "longest job", "MB a job", "time is")]
    for stage in every["stages"]:
        hours = [f"{stage[key]:,.1f}" for key in ("gpu_hours", "core_hours")]
        known = stage["measured"] == stage["jobs"]
        how = "measured" if known else "assumed" if not stage["measured"] else "partly measured"
        memory = f"{stage['memory_mb']:,}" if stage["memory_mb"] else ""
        row = (
            stage["stage"],
            f"{stage['jobs']:,}",
            *hours,
            duration(3600 * stage["longest_hours"]),
        )
        rows.append((*row, memory, how))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    unit = "a GPU" if found.on_gpu else "a thread"
    rates = [
        f"{rate['clips_per_second']:,.0f} clips/s on {unit}, "
        f"{'measured' if rate['measured'] else 'assumed'}: {rate['backbone']}"
        for rate in every["rates"]
    ]
    chain = " > ".join(f"{stage} {duration(3600 * hours)}" for stage, hours in found.chain)
    disk = ", ".join(f"{what} {size / GIB:,.1f}" for what, size in found.disk.items())
    return "\n".join(
        [
            f"study {found.study}: {every['jobs']:,} jobs, {every['submissions']:,} submissions",
            *table,
            f"in all: {every['gpu_hours']:,.1f} GPU hours, {every['core_hours']:,.1f} core hours",
            f"longest chain: {duration(3600 * every['longest_chain_hours'])}: {chain}",
            f"disk, assumed, GiB: {disk}",
            *rates,
        ]
    )
