"""What a failed job is tried again for: by hand-written logs, and by Snakemake itself."""

import os
from types import SimpleNamespace

import pytest

from hdc.runtime.errors import InputError
from hdc.runtime.lock import Lock
from hdc.study.retries import Failures

TRACEBACK = "Traceback (most recent call last):\n  File ...\n"
SNAKEFILE = """
from snakemake.jobs import Job
from hdc.study.retries import Failures

{hook}

ENDS = {{"input": "error: no", "bug": "RuntimeError: no", "stopped": "stopped: by SIGTERM"}}

rule all:
    input: expand("{{end}}.done", end=ENDS)

rule one:
    output: "{{end}}.done"
    log: "{{end}}.log"
    params: words=lambda wildcards: ENDS[wildcards.end]
    shell: "printf x >>{{wildcards.end}}.tries; echo {{params.words:q}} >{{log:q}}; false"
"""


@pytest.fixture
def fails(tmp_path):
    """Let a job end with a text in its log; returns whether it is worth another try."""
    failures, log = Failures(), tmp_path / "log"

    def fail(text):
        log.write_text(text)
        return failures.are_worth_another_try(log)

    return fail


def test_bad_input_is_not_tried_again(fails):
    assert not fails("step 1\nerror: seed: expected a whole number, got x\n")


@pytest.mark.parametrize("text", ["stopped: by SIGTERM; run the same again\n", "step 7\n", ""])
def test_what_was_stopped_or_killed_is_tried_again_and_again(fails, text):
    assert fails(text) and fails(text) and fails(text)


def test_the_same_error_twice_is_enough(fails):
    first, other = (f"{TRACEBACK}RuntimeError: {words}\n" for words in ("a", "b"))
    assert fails(first) and fails(other) and fails(first) and not fails(first)


def test_jobs_are_told_apart(tmp_path):
    failures = Failures()
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"{TRACEBACK}RuntimeError: a\n")
        assert failures.are_worth_another_try(tmp_path / name)


def test_the_log_of_another_day_says_nothing(tmp_path):
    """Of a job that its cluster did not even begin."""
    log = tmp_path / "log"
    log.write_text("error: no\n")
    os.utime(log, (10**9, 10**9))
    assert Failures().are_worth_another_try(log)


def test_without_a_log_it_is_tried_again(tmp_path):
    assert Failures().are_worth_another_try(tmp_path / "none")


def test_another_writer_may_be_gone_the_next_time(fails, tmp_path):
    """The message of a lock is known as one."""
    held = {"host": "elsewhere", "process": 7, "since": "now"}
    with pytest.raises(InputError) as raised:
        raise Lock._refusal(SimpleNamespace(path=tmp_path / "state/lock"), held)
    text = f"error: {raised.value}\n"
    assert "process 7 on elsewhere" in text and fails(text) and fails(text)


def test_snakemake_asks(tmp_path, root, call):
    """Jobs that end in three ways, each with two more tries: by the lines that each try adds."""
    common = (root / "workflow/common.smk").read_text()
    hook = common[common.index("FAILURES =") : common.index("\n\n\ndef quoted(")]
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(hook=hook))
    done = call("snakemake", "--cores", "1", "--keep-going", "--retries", "2", cwd=tmp_path)
    assert done.returncode == 1
    tries = {path.name: len(path.read_text()) for path in tmp_path.glob("*.tries")}
    assert tries == {"input.tries": 1, "bug.tries": 2, "stopped.tries": 3}, done.stderr
