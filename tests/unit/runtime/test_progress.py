import os

from hdc.runtime.progress import threads


def test_threads_are_those_asked_for_or_the_cores_that_the_process_may_use(monkeypatch):
    """As under `taskset -c 3`, or in a job of a cluster."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads() == 5
