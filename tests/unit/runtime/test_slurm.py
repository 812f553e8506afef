"""What is asked of Slurm, by commands that stand in for its own; tests/slurm/ has a real one."""

import asyncio
import os
import re

import pytest

from hdc.runtime import slurm
from hdc.runtime.errors import InputError


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Put commands on the path; what they were called with comes back."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def write(name, script):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >>{tmp_path}/calls\n{script}\n')
        path.chmod(0o755)

    def calls():
        path = tmp_path / "calls"
        return path.read_text().splitlines() if path.is_file() else []

    return write, calls


@pytest.mark.parametrize(
    ("said", "requeued"),
    [("PreemptTime=2026-01-02T03:04:05 SuspendTime=None", True), ("PreemptTime=None", False)],
)
def test_only_a_job_that_is_preempted_is_requeued(commands, monkeypatch, said, requeued):
    write, calls = commands
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    write("scontrol", f'[ "$1" = requeue ] || echo "JobId=7 JobState=RUNNING {said}"')
    assert slurm.requeue_if_preempted() is requeued
    asked = ["scontrol --oneliner show job 7"]
    assert calls() == asked + ["scontrol requeue 7"] * requeued


def test_outside_of_a_job_slurm_is_not_asked(commands, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    commands[0]("scontrol", "exit 1")
    assert slurm.requeue_if_preempted() is False
    assert commands[1]() == []


def test_a_job_that_may_not_be_requeued_says_so(commands, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    refusal = "{ echo disabled >&2; exit 1; }"
    commands[0]("scontrol", f'[ "$1" != requeue ] && echo PreemptTime=2026 || {refusal}')
    assert slurm.requeue_if_preempted() is False
    assert (
        "not requeued: scontrol requeue 7: expected an answer of Slurm, found disabled"
        in capsys.readouterr().out
    )


def test_only_this_folders_jobs_of_the_plan_are_cancelled(commands, tmp_path):
    """The first look finds four jobs, later ones what is left after the third."""
    write, calls = commands
    mine, other = "rule_pretrain_wildcards_smoke_hdc", "rule_pretrain_wildcards_demo_hdc"
    jobs = [
        f"1|{tmp_path}|{mine}",
        f"2|{tmp_path}|{other}",
        f"3|/elsewhere|{mine}",
        f"4|{tmp_path}|",
    ]
    lines = "\n".join(jobs)
    write(
        "squeue",
        f"looks=$(grep -c squeue {tmp_path}/calls)\n"
        f"case $looks in 1) printf '%s\\n' '{lines}';; 2) printf '1\\n2\\n';; *) echo 2;; esac",
    )
    write("scancel", "")
    assert slurm.cancel_left_behind({mine}, tmp_path) == ["1"]
    assert [call for call in calls() if call.startswith("scancel")] == ["scancel 1"]
    assert len(calls()) == 4


def test_without_left_jobs_nothing_is_cancelled(commands, tmp_path):
    commands[0]("squeue", "true")
    assert slurm.cancel_left_behind({"rule_plan"}, tmp_path) == []
    assert len(commands[1]()) == 1


def test_jobs_that_stay_and_a_slurm_that_is_silent_are_refused(commands, tmp_path, monkeypatch):
    write, _ = commands
    write("scancel", "")
    monkeypatch.setattr(slurm, "ENDING_SECONDS", 0.0)
    write("squeue", f'case "$*" in *Z*) echo "1|{tmp_path}|rule_plan";; *) echo 1;; esac')
    with pytest.raises(InputError, match=re.escape("expected the jobs 1 of an earlier Snakemake")):
        slurm.cancel_left_behind({"rule_plan"}, tmp_path)
    write("squeue", "echo connect failure >&2; exit 1")
    with pytest.raises(InputError, match="expected an answer of Slurm, found connect failure"):
        slurm.cancel_left_behind({"rule_plan"}, tmp_path)


def test_states_are_single_words_and_no_answer_is_waited_for(monkeypatch):
    monkeypatch.setattr(slurm, "ASK_AGAIN_SECONDS", 0.0)
    answers = iter([(None, None), (None, None), ({"1": "CANCELLED by 1000", "2": "RUNNING"}, 0.5)])

    async def query(command, logger):
        return next(answers)

    found = asyncio.run(slurm.understood(query)("sacct", None))
    assert found == ({"1": "CANCELLED", "2": "RUNNING"}, 0.5)
