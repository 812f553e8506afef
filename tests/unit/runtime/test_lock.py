import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hdc.runtime.errors import InputError
from hdc.runtime.lock import Lock

CHILD = """
import sys, time
from pathlib import Path
from hdc.runtime.lock import Lock
Lock(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    path = tmp_path / "state" / "lock"
    child = subprocess.Popen([sys.executable, "-c", CHILD, path], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "locked\n"
    yield child, path
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_second_writer_is_refused_by_host_and_process(holder):
    child, path = holder
    with pytest.raises(InputError) as error:
        Lock(path)
    text = str(error.value)
    assert f"expected no other writer, found process {child.pid} on {os.uname().nodename}" in text


def test_a_dead_process_blocks_nobody(holder):
    child, path = holder
    child.send_signal(signal.SIGKILL)
    child.wait()
    Lock(path).release()


def test_released_it_is_gone_and_free(tmp_path):
    lock = Lock(tmp_path / "lock")
    assert json.loads((tmp_path / "lock").read_text())["process"] == os.getpid()
    Lock(tmp_path / "lock")  # the same process may, twice
    lock.release()
    assert not (tmp_path / "lock").exists()
    Lock(tmp_path / "lock").release()


@pytest.fixture
def elsewhere(tmp_path):
    """A lock that a process of another host has written."""
    path = tmp_path / "lock"
    path.write_text(json.dumps({"host": "elsewhere", "process": 7, "since": "today"}))
    return path


def test_a_lock_of_another_host_counts_while_it_is_renewed(elsewhere, monkeypatch):
    monkeypatch.setattr("hdc.runtime.lock.BEAT_SECONDS", 1.0)
    renewed = threading.Timer(0.3, os.utime, [elsewhere])
    renewed.start()
    with pytest.raises(InputError, match="found process 7 on elsewhere, at work since today"):
        Lock(elsewhere)
    renewed.join()


def test_a_fresh_lock_of_a_host_that_is_gone_is_taken_over(elsewhere, monkeypatch, capsys):
    """As of a job whose node failed, started again on another one."""
    monkeypatch.setattr("hdc.runtime.lock.BEAT_SECONDS", 0.1)
    Lock(elsewhere).release()
    assert "watching whether process 7 on elsewhere still writes" in capsys.readouterr().out


def test_an_old_lock_of_another_host_is_taken_over_at_once(elsewhere, capsys):
    old = time.time() - 601
    os.utime(elsewhere, (old, old))
    Lock(elsewhere).release()
    assert not capsys.readouterr().out


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def without(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("hdc.runtime.lock.fcntl.flock", without)
    with pytest.raises(InputError, match=r"expected a file system with locks, found .*not impl"):
        Lock(tmp_path / "lock")


def test_a_broken_lock_file_is_taken_over(tmp_path):
    (tmp_path / "lock").write_text("{")
    Lock(tmp_path / "lock").release()


@pytest.mark.parametrize("ending", ["sys.exit(75)", "raise RuntimeError"])
def test_a_process_that_ends_leaves_no_lock_for_other_hosts(tmp_path, ending):
    """They cannot see that it has ended; a fork of it that ends before takes nothing away."""
    path = tmp_path / "lock"
    fork = "child = os.fork()\nif child == 0: sys.exit(0)\nos.waitpid(child, 0)\n"
    code = CHILD.replace("time.sleep(60)", f"{fork}print(Path(sys.argv[1]).exists())\n{ending}")
    command = [sys.executable, "-c", f"import os\n{code}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == ["locked", "True"], done.stderr
    assert not path.exists()
