"""What a second signal does, by a process that says what it was asked and goes on."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal, sys
from hdc.runtime.signals import listening
with listening() as request:
    for name in sys.argv[1:]:
        signal.raise_signal(getattr(signal, name))
    print(request.signal.name)
"""


def told(*names):
    command = [sys.executable, "-c", PROGRAM, *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("names", [("SIGTERM", "SIGTERM"), ("SIGTERM", "SIGUSR1"), ("SIGINT",)])
def test_what_slurm_sends_twice_leaves_time_to_save(names):
    ended = told(*names)
    assert (ended.returncode, ended.stdout) == (0, f"{names[0]}\n")


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
def test_ctrl_c_after_a_signal_stops_at_once(first):
    assert told(first, "SIGINT").returncode == -signal.SIGINT
