"""What has to be asked of Slurm itself, beside what Snakemake's plugin for it does."""

import asyncio
import os
import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

from hdc.runtime.errors import InputError

ANSWER_SECONDS = 60.0  # that a command of Slurm may take
ENDING_SECONDS = 300.0  # that a cancelled job may take to save and leave; KillWait is less
ASK_AGAIN_SECONDS = 10.0  # where Slurm does not answer

States = dict[str, str]  # job -> its state
Query = Callable[[str, Any], Awaitable[tuple[States | None, float | None]]]


def cores_of_job() -> int | None:
    """The cores that Slurm gives to this process's job on this node; None outside of a job."""
    cores = os.environ.get("SLURM_CPUS_ON_NODE")
    return int(cores) if cores else None


def requeue_if_preempted() -> bool:
    """Give this process's job back to the queue if Slurm wants its node for another; if it was.

    A job that ends within the grace time of its partition, its state saved, has failed to Slurm,
    which requeues those alone that it had to kill. Nothing is done outside of a job, and nothing
    comes of it where jobs may not be requeued.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return False
    try:
        facts = _said("scontrol", "--oneliner", "show", "job", job)
        if not re.search(r"\bPreemptTime=\d", facts):
            return False
        _said("scontrol", "requeue", job)
    except InputError as error:
        print(f"not requeued: {error}", flush=True)
        return False
    return True


def cancel_left_behind(
    comments: Collection[str], folder: Path, *, groups: Collection[str] = ()
) -> list[str]:
    """Cancel the queued and running jobs of `folder` with one of these comments; their numbers.

    Those, too, whose comments begin with one of `groups`.

    Snakemake that is killed leaves its jobs to Slurm. Another one, which waits for no job that it
    did not submit, would have the same work done twice. Returns when they are gone: a training
    that is cancelled saves its state. Raises InputError if they stay, or Slurm does not answer.
    """
    found = []
    for line in _said("squeue", "--me", "--noheader", "--format=%A|%Z|%k").splitlines():
        job, place, comment = line.split("|", 2)
        ours = comment in comments or comment.startswith(tuple(groups))
        if ours and Path(place).resolve() == folder.resolve():
            found.append(job)
    if not found:
        return []
    _said("scancel", *found)
    until = time.monotonic() + ENDING_SECONDS
    while set(found) & set(_said("squeue", "--me", "--noheader", "--format=%A").split()):
        if time.monotonic() > until:
            raise InputError(
                f"expected the jobs {', '.join(found)} of an earlier Snakemake to end in "
                f"{ENDING_SECONDS:.0f} seconds, found them there; see squeue --me"
            )
        time.sleep(1)
    return found


def understood(query: Query) -> Query:
    """The plugin's query of the states of its jobs, with answers that it makes right use of.

    From 2.4 on (seen in 2.8.0) it takes a job that is `CANCELLED by 1000` for one that runs, and
    drops every job from its list when Slurm does not answer: it then waits forever.
    """

    async def ask(command: str, logger: Any) -> tuple[States | None, float | None]:
        while (answer := await query(command, logger))[0] is None:
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        states, seconds = answer
        return {job: state.partition(" ")[0] for job, state in (states or {}).items()}, seconds

    return ask


def _said(*words: str) -> str:
    """What a command of Slurm prints; raises InputError if it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{' '.join(words)}: expected an answer of Slurm, found {error}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise InputError(f"{' '.join(words)}: expected an answer of Slurm, found {last}")
    return done.stdout
