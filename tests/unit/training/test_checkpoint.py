import errno
import os
from pathlib import Path

import pytest
import torch

from hdc.runtime.errors import InputError
from hdc.training.checkpoint import read_state, write_state

CPU = torch.device("cpu")


def state(step):
    return {"step": step, "weights": {"a": torch.full((50,), float(step))}}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_gives_back_the_newest(tmp_path):
    for step in (1, 2, 30):
        assert write_state(tmp_path, step, state(step)) > 0
    found, digest = read_state(tmp_path, CPU)
    assert len(digest) == 32
    assert found["step"] == 30 and torch.equal(found["weights"]["a"], torch.full((50,), 30.0))


def test_nothing_is_there(tmp_path):
    assert read_state(tmp_path / "nowhere", CPU) == (None, bytes(32))


def test_the_last_two_are_kept(tmp_path):
    for step in (9, 10, 100):
        write_state(tmp_path, step, state(step))
    assert names(tmp_path) == ["000000000010.pt", "000000000100.pt"]


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty"])
def test_a_damaged_newest_one_falls_back_with_a_warning(tmp_path, capsys, harm):
    for step in (1, 2):
        write_state(tmp_path, step, state(step))
    path = tmp_path / "000000000002.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    harmed = {"cut": content[:-100], "flipped": content, "empty": b""}
    path.write_bytes(harmed[harm])
    assert read_state(tmp_path, CPU)[0]["step"] == 1
    assert f"warning: {path} is damaged; going back" in capsys.readouterr().out


def test_all_damaged(tmp_path):
    write_state(tmp_path, 1, state(1))
    (tmp_path / "000000000001.pt").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match="found 1 damaged; delete the folder to start from"):
        read_state(tmp_path, CPU)


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename", "read back"])
def test_faults_leave_the_states_before(tmp_path, monkeypatch, call):
    """A full disk and its like at every step of writing; nothing else stays behind."""
    for step in (1, 2):
        write_state(tmp_path, step, state(step))
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if call == "open":
            patch.setattr(Path, "open", fail)
        if call == "write":
            real = Path.open
            patch.setattr(Path, "open", lambda self, mode="r": full(real(self, mode), fail))
        if call == "fsync":
            patch.setattr(os, "fsync", fail)
        if call == "rename":
            patch.setattr(Path, "replace", fail)
        if call == "read back":
            patch.setattr(Path, "read_bytes", lambda self: b"other bytes")
        with pytest.raises(OSError):
            write_state(tmp_path, 3, state(3))
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    assert read_state(tmp_path, CPU)[0]["step"] == 2


def full(file, fail):
    """A file that takes no byte."""

    class Full:
        name = file.name
        write = staticmethod(fail)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            file.close()

    return Full()
