"""Encoders are pretrained and judged in one job each on a real Slurm; what was done stays done.

Debian's packages of Slurm have to be installed, which `.ci/run` does.
"""

import importlib.util
import time
from contextlib import suppress
from pathlib import Path

import pytest
from slurm_cluster import Cluster, lacking
from slurm_study import Study

PLUGIN = "snakemake_executor_plugin_slurm"
LACKING = [*lacking(), *([] if importlib.util.find_spec(PLUGIN) else [PLUGIN])]
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}"),
]
SECONDS = 900  # that anything may take on a busy machine
SETTLED = 3.0  # seconds until Snakemake knows that a job has ended
SEEDS = (0, 1)
STAGES = ("pretrain", "finetune", "evaluate")


class Watched:
    """A study at work: which records it has written, and which of them more than once."""

    def __init__(self, study):
        self.study, self.written, self.ended, self.again = study, {}, {}, []

    def look(self):
        """The records that are there, and since when nobody works in their folders."""
        for path in self.study.results.glob("runs/**/*.json"):
            file, known = path.stat().st_ino, self.written.get(path)
            if file != known:
                self.again += [path.stem] if known else []
                self.written[path] = file
            if not at_work(f"output_dir={path.parent.relative_to(self.study.folder)}"):
                self.ended.setdefault(path, time.monotonic())

    def done(self, stage):
        """How many jobs of a stage have written their record and ended."""
        times = [when for path, when in self.ended.items() if path.stem == stage]
        return sum(time.monotonic() - when > SETTLED for when in times)


def at_work(word):
    """Whether a process was called with a word."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if word.encode() in place.read_bytes().split(b"\0"):
                return True
    return False


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("slurm"), nodes=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def struck(module_workplace, cluster, call):
    """A study of two encoders; each of its two groups was stopped when one of its jobs was done.

    The pretrainings by Slurm, which starts them again; the judgement for good, which Snakemake
    submits again.
    """
    study = Study("grouped", module_workplace, cluster, seeds=SEEDS)
    words = ("--cores", "2", "--configfile", "config/grouped.yaml", "--until")
    call("snakemake", *words, "prepare_synthetic_smoke", cwd=module_workplace, check=True)
    snakemake, watched = study.start("--omit-from", "report"), Watched(study)
    strikes = [
        ("pretrain", lambda job: cluster.run("scontrol", "requeue", job)),
        ("finetune", lambda job: cluster.run("scancel", job)),
    ]
    until = time.monotonic() + SECONDS
    try:
        while snakemake.poll() is None:
            assert time.monotonic() < until, study.said[-5000:]
            watched.look()
            if strikes and watched.done(strikes[0][0]) >= 1:
                [job] = study.queue()  # the other group waits for it, or is done
                strikes.pop(0)[1](job)
            time.sleep(0.2)
    finally:
        snakemake.kill()
    watched.look()
    assert snakemake.returncode == 0, study.said[-5000:]
    assert not strikes
    return watched


def test_what_was_done_of_a_group_is_not_done_again(struck):
    assert struck.again == []
    found = [path.stem for path in struck.written]
    assert sorted(found) == sorted(stage for stage in STAGES for _ in SEEDS)


def test_there_is_one_submission_for_each_group(struck):
    states = {
        kind: [(job.number, job.state.split()[0]) for job in struck.study.jobs(kind)]
        for kind in ("plan", "pretrain", "judge")
    }
    assert [state for _, state in states["plan"]] == ["COMPLETED"]
    (first, was), (second, became) = states["pretrain"]
    assert (was, became) == ("REQUEUED", "COMPLETED") and first == second
    (first, was), (second, became) = states["judge"]
    assert (was, became) == ("CANCELLED", "COMPLETED") and first != second
    assert struck.study.said.count("Trying to restart job") == 1


def test_the_jobs_of_a_group_share_one_gpu(struck):
    for kind in ("pretrain", "judge"):
        for job in struck.study.jobs(kind):
            assert "gres/gpu=1" in job.resources.split(",")
