"""How a study stands: which of its jobs are done, running, failed, stopped or missing.

Reads files only and changes none: it may be asked at any time. The table counts, for each run, the
jobs done of those there are; r running, f failed, s stopped, u unclear, the rest is missing. An
unclear one began and its log ends without a word: it was killed, or it is at work on another host,
where only the locks of prepare, pretrain and finetune can be seen.

--json prints one object: `study`, `folder`; `totals`, state -> number of jobs; `runs`, a list of
`backbone`, `ablation` and, by stage, state -> number; `jobs`, a list of `stage`, `name`, `state`,
`output`, `log` and what is known of each: `host`, `process`, `since`; `step`, `steps`, `loss`,
`clips_per_second`, `seconds_left`, `logged_seconds_ago`; `parts_done`, `parts`; `words`, the line
that its log ends with.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hdc.study.jobs import STATES, TRAINING_LOGS, Plan, read_plan, standing, writers
from hdc.study.stages import STAGES

SHOWN = 20  # jobs of a state, in words; a study may have hundreds that fail alike
LETTERS = {"running": "r", "failed": "f", "stopped": "s", "unclear": "u"}
QUIET_SECONDS = 600.0  # a training that has logged nothing for longer is worth a remark

Standings = dict[tuple[str, str], dict[str, Any]]  # (stage, name) of a job -> how it stands


def status(folder: Path, *, as_json: bool = False, every_seconds: float | None = None) -> None:
    """Print how a study stands, once or every so many seconds until it is interrupted.

    Raises InputError if there is no study.
    """
    while True:
        plan = read_plan(folder)
        at_work = writers()
        standings = {key: standing(job, at_work) for key, job in plan.jobs.items()}
        text = json.dumps(facts(plan, standings)) if as_json else page(plan, standings)
        clear = "\033[H\033[2J" if every_seconds and sys.stdout.isatty() else ""
        print(clear + text, flush=True)
        if every_seconds is None:
            return
        try:
            time.sleep(every_seconds)
        except KeyboardInterrupt:
            return


def facts(plan: Plan, standings: Standings) -> dict[str, Any]:
    """Everything that is known, for scripts."""
    runs = [
        {"backbone": backbone, "ablation": ablation}
        | {stage: _count(standings[stage, name] for name in names) for stage, names in row.items()}
        for (backbone, ablation), row in plan.rows.items()
    ]
    jobs = [
        {"stage": job.stage, "name": job.name, "output": str(job.output), "log": str(job.log)}
        | standings[key]
        for key, job in plan.jobs.items()
    ]
    totals = _count(standings.values())
    return {
        "study": plan.study,
        "folder": str(plan.folder),
        "totals": totals,
        "runs": runs,
        "jobs": jobs,
    }


def page(plan: Plan, standings: Standings) -> str:
    """The same for people: data sets, a table of runs, what is to be said of jobs, totals."""
    blocks = [_preparations(plan, standings), _table(plan, standings)]
    for state in LETTERS:
        keys = [key for key, known in standings.items() if known["state"] == state]
        lines = [line for key in keys[:SHOWN] for line in _entry(plan, key, standings[key])]
        if len(keys) > SHOWN:
            lines.append(f"{len(keys) - SHOWN} more are {state}: hdc status --json")
        blocks.append("\n".join(lines))
    blocks.append(_totals(standings))
    return "\n\n".join(block for block in blocks if block)


def _preparations(plan: Plan, standings: Standings) -> str:
    """A line for each data set and one for the report."""
    lines = [f"study {plan.study} in {plan.folder}"]
    for (stage, name), known in standings.items():
        if stage == "prepare":
            parts = _parts(known) if known["state"] != "done" else ""
            lines.append(f"data set {name}: {known['state']}{parts and ', '}{parts}")
    lines.append(f"report: {standings['report', '']['state']}")
    return "\n".join(lines)


def _table(plan: Plan, standings: Standings) -> str:
    """A row for each run, a column for each stage."""
    rows = [("backbone", "ablation", *STAGES)]
    for run, row in plan.rows.items():
        rows.append(
            (*run, *(_cell(standings[stage, name] for name in row[stage]) for stage in row))
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cell(standings: Iterable[dict[str, Any]]) -> str:
    """Jobs done of all there are, as in `4/9 2r 1f`."""
    counts = _count(standings)
    marks = [f"{counts[state]}{letter}" for state, letter in LETTERS.items() if counts[state]]
    return " ".join([f"{counts['done']}/{sum(counts.values())}", *marks])


def _entry(plan: Plan, key: tuple[str, str], known: dict[str, Any]) -> list[str]:
    """What is to be said of a job that is running or that ended early."""
    title = f"{known['state']}: {' '.join(key).strip()}"
    if known["state"] == "running":
        far = _far(known) or ("no step logged yet" if key[0] in TRAINING_LOGS else "")
        return [title, f"  {'; '.join(filter(None, (far, _who(known))))}"]
    lines = [title, f"  {known['words']}"]
    if "step" in known:
        of = f" of {known['steps']}" if "steps" in known else ""
        lines.append(f"  its state of step {known['step']}{of} is there to go on from")
    return [*lines, f"  {plan.jobs[key].log}"]


def _far(known: dict[str, Any]) -> str:
    """How far a running job is, as in `step 20/645, loss 3.821, 109 clips/s, 3 min 20 s left`."""
    words = [_parts(known)]
    if "step" in known:
        words.append(f"step {known['step']}" + (f"/{known['steps']}" if "steps" in known else ""))
    if "loss" in known:
        words.append(f"loss {known['loss']:.3f}")
    if "clips_per_second" in known:
        words.append(f"{known['clips_per_second']:.0f} clips/s")
    if "seconds_left" in known:
        words.append(f"{duration(known['seconds_left'])} left")
    if known.get("logged_seconds_ago", 0) > QUIET_SECONDS:
        words.append(f"nothing logged for {duration(known['logged_seconds_ago'])}")
    return ", ".join(filter(None, words))


def _who(known: dict[str, Any]) -> str:
    """Who is at work, and since when, as in `since Nov 23 08:59, process 30699 on host`."""
    since = f"since {known['since'][4:16]}, " if known.get("since") else ""
    return f"{since}process {known['process']} on {known['host']}"


def _parts(known: dict[str, Any]) -> str:
    return f"{known['parts_done']} of {known['parts']} parts" if "parts" in known else ""


def _totals(standings: Standings) -> str:
    """As in `18 of 25 jobs done, 2 running, 1 failed, 4 missing`."""
    counts = _count(standings.values())
    undone = [f"{counts[state]} {state}" for state in STATES if state != "done" and counts[state]]
    return ", ".join([f"{counts['done']} of {sum(counts.values())} jobs done", *undone])


def _count(standings: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many jobs are in each state, none left out."""
    counts = Counter(known["state"] for known in standings)
    return {state: counts[state] for state in STATES}


def duration(seconds: float | int) -> str:
    """A time in the two units that matter, as in `45 s`, `3 min 20 s`, `2 h 05 min`, `3 d 04 h`."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(whole / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24:02d} h"
