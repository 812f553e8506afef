"""What happens on clusters happens to a study on a real one; it ends as an undisturbed one does.

Debian's packages of Slurm have to be installed, which `.ci/run` does.
"""

import importlib.util
import json
import os
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import load_file
from slurm_cluster import Cluster, lacking
from slurm_study import Study, write_study
from torch.testing import assert_close

from hdc.analysis.results import read_results
from hdc.reporting.tables.all import all_tables

PLUGIN = "snakemake_executor_plugin_slurm"
LACKING = [*lacking(), *([] if importlib.util.find_spec(PLUGIN) else [PLUGIN])]
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}"),
]
SECONDS = 600  # that anything may take on a busy machine
UNTIL = ("--omit-from", "report")


def update_limit(cluster, job, node):
    """Its time is over as soon as Slurm looks, every half minute; a limit is a minute at least."""
    cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=0")


def want_node(cluster, job, node):
    """A job of a partition that goes before, on the same node."""
    words = ("--partition=urgent", f"--nodelist={node}", "--mem=16000", "--output=/dev/null")
    cluster.run("sbatch", *words, "--time=1", "--wrap=sleep 1")


TWO_PROCESSES = """
about: {question: "Does it take two?", paper: not in the paper}
pretrain: {epochs: 2}
progress: {devices: 2}
"""
EVENTS = {
    "time_limit": update_limit,
    "preemption": want_node,
    "requeue": lambda cluster, job, node: cluster.run("scontrol", "requeue", job),
    "cancellation": lambda cluster, job, node: cluster.run("scancel", job),
}
STARTS = {  # how the first start ended, and whether Slurm itself started the job again
    "time_limit": ("TIMEOUT", False),
    "preemption": ("REQUEUED", True),
    "requeue": ("REQUEUED", True),
    "cancellation": ("CANCELLED", False),
}


@pytest.fixture(scope="module")
def undisturbed(module_workplace, call):
    """A working folder with a study that was finished on this machine, without a report."""
    write_study(module_workplace, "undisturbed")
    words = ("--cores", "2", "--configfile", "config/undisturbed.yaml", *UNTIL)
    call("snakemake", *words, cwd=module_workplace, check=True)
    return module_workplace


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("slurm"), nodes=len(EVENTS)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def struck(undisturbed, cluster):
    """Studies whose pretraining was stopped, each by an event of its own, and went on.

    All are held after some steps; then `slurmctld` is killed, and started again. An event is over
    when its signal has come.
    """
    studies = {name: Study(name, undisturbed, cluster) for name in EVENTS}
    snakemakes = {name: study.pretrain() for name, study in studies.items()}
    try:
        wait(lambda: held(studies.values()), "trainings at work")
        processes = {name: study.trainings() for name, study in studies.items()}
        jobs = {name: next(iter(study.queue().items())) for name, study in studies.items()}
        cluster.kill("slurmctld")
        cluster.start("slurmctld", "-D")
        cluster.wait_for("scontrol", "ping")
        for name, strike in EVENTS.items():
            strike(cluster, jobs[name][0], jobs[name][1][1])
        waiting = {process for found in processes.values() for process in found}
        wait(lambda: not released(waiting), "signals of Slurm")
        wait(
            lambda: all(one.poll() is not None for one in snakemakes.values()), "ends of Snakemake"
        )
    finally:
        for one in snakemakes.values():
            one.kill()
    return studies


def held(studies):
    """Stop what trains once it has logged two steps; whether all of them are stopped."""
    for study in studies:
        if study.steps >= 2:
            for process in study.trainings():
                os.kill(process, signal.SIGSTOP)
    return all(study.steps >= 2 for study in studies)


def released(waiting):
    """Let those go on that a signal waits for; the others."""
    for process in list(waiting):
        if asked_to_end(process):
            waiting.discard(process)
            try:
                os.kill(process, signal.SIGCONT)
            except ProcessLookupError:
                continue
    return waiting


def asked_to_end(process):
    """Whether SIGTERM waits for a process that is stopped, or it runs again, or is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return True
    facts = {key: rest.split() for key, _, rest in (line.partition(":") for line in lines)}
    waiting = int(facts["ShdPnd"][0], 16) | int(facts["SigPnd"][0], 16)
    return bool(waiting >> (signal.SIGTERM - 1) & 1) or facts["State"][0] != "T"


def wait(condition, what):
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, f"{what}: not within {SECONDS} seconds"
        time.sleep(0.1)


@pytest.mark.parametrize("event", EVENTS)
def test_the_encoder_is_that_of_an_undisturbed_pretraining(struck, undisturbed, cluster, event):
    study = struck[event]
    whole = Study("undisturbed", undisturbed, cluster).encoder
    assert study.encoder.is_file(), study.said[-5000:]
    assert study.encoder.read_bytes() == whole.read_bytes()
    [log] = (study.results / "logs/pretrain").rglob("*.log")
    assert "resuming at step " in log.read_text()


@pytest.mark.parametrize("event", EVENTS)
def test_it_is_started_once_more_and_never_twice_at_once(struck, event):
    first, second = struck[event].jobs("pretrain")
    state, by_slurm = STARTS[event]
    assert (first.state.split()[0], second.state) == (state, "COMPLETED")
    assert (first.number == second.number) == by_slurm
    assert first.end <= second.start
    assert "gres/gpu=1" in second.resources.split(",")
    tried_again = struck[event].said.count("Trying to restart job")
    assert tried_again == (0 if by_slurm else 1)  # what Slurm starts again is none of the retries


@pytest.fixture(scope="module")
def killed(struck, cluster):
    """A study whose Snakemake was killed while all its jobs were queued, and started again.

    Which jobs it had left in the queue, and which were there then.
    """
    study = struck["requeue"]
    cluster.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    first = study.start(*UNTIL)
    second = None
    try:
        wait(lambda: len(study.queue()) == 2, "jobs in the queue")
        left = set(study.queue())
        first.kill()
        first.wait()
        study.unlock()
        second = study.start(*UNTIL)
        wait(lambda: len(set(study.queue()) - left) == 2, "jobs in the queue again")
        queued = set(study.queue())
        cluster.run("scontrol", "update", "PartitionName=main", "State=UP")
        wait(lambda: second.poll() is not None, "end of Snakemake")
    finally:
        for snakemake in filter(None, (first, second)):
            snakemake.kill()
    assert second.returncode == 0, study.said[-5000:]
    return study, left, queued


def test_of_jobs_that_a_killed_snakemake_left_none_is_run(killed):
    study, left, queued = killed
    assert len(left) == 2 and not left & queued
    for rule in ("plan", "judge"):
        ours = {job.number: job.state.split()[0] for job in study.jobs(rule)}
        assert sorted(ours.values()) == ["CANCELLED", "COMPLETED"]
        assert {ours[number] for number in ours.keys() & left} == {"CANCELLED"}


def test_the_tables_are_those_of_an_undisturbed_study(killed, undisturbed):
    found, expected = (
        {table.name: table for table in all_tables(read_results(folder / "study.json"))}
        for folder in (killed[0].results, undisturbed / "results/undisturbed")
    )
    assert found.keys() == expected.keys()
    for name in found.keys() - {"cost"}:
        assert found[name].markdown() == expected[name].markdown()
        pd.testing.assert_frame_equal(found[name].numbers, expected[name].numbers)


def test_two_processes_of_a_job_train_the_encoder_of_one(undisturbed, cluster, call):
    """To rounding, by a network without batch norms, which two processors do not share."""
    (undisturbed / "ablations/two_processes.yaml").write_text(TWO_PROCESSES)
    study = Study("two", undisturbed, cluster, backbone="swin3d_t", run="two_processes")
    choices = ("scale=smoke", "data=synthetic_smoke", "backbone=swin3d_t", "ablation=two_processes")
    alone = ("split=1", "seed=0", "progress.devices=1", "output_dir=results/alone")
    prepared = "prepared=results/data/synthetic_smoke"
    call("hdc.pretrain", *choices, *alone, prepared, cwd=undisturbed, check=True)
    assert study.pretrain().wait(SECONDS) == 0, study.said[-5000:]
    [job] = study.jobs("pretrain")
    assert "gres/gpu=2" in job.resources.split(",")
    record = json.loads(study.encoder.with_name("pretrain.json").read_text())
    assert record["device"].startswith("2 x ")
    one, two = (load_file(folder / "encoder.safetensors") for folder in (
        undisturbed / "results/alone", study.encoder.parent
    ))  # fmt: skip
    assert_close(two, one, rtol=1e-4, atol=1e-5)
