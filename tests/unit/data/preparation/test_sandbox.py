import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from hdc.data.preparation import sandbox
from hdc.data.preparation.container import RejectedVideo
from hdc.data.preparation.decode import decode_video
from hdc.data.preparation.sandbox import Decoder


def frames_of(packed):
    """How many frames a file gave that is one video."""
    [piece] = packed.pieces
    return piece.shape[0]


PYTHON = sys.executable  # the tests replace it


@pytest.fixture
def decoder(prepare_settings):
    """A decoder with settings changed; stopped at the end."""
    made = []

    def make(form="raw", **changes):
        settings = prepare_settings(**{"store__short_side": 24} | changes)
        made.append(Decoder(settings.decoding, settings.store, form))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def child_that(monkeypatch, tmp_path):
    """Make children do something else than decode."""

    def patch(body):
        code = "import sys\nfrom hdc.data.preparation import decoding_child\n"
        code += "from hdc.data.preparation.container import RejectedVideo, read_header\n"
        code += "def harm(path, cut, decoding, images, store, form, to):\n"
        code += f"{textwrap.indent(body, '    ')}\n"
        code += "decoding_child.pack_file = harm\ndecoding_child.main()\n"
        script = tmp_path / "child.py"
        script.write_text(code)
        starter = tmp_path / "python"
        starter.write_text(f'#!/bin/sh\nexec {PYTHON} {script} "$3"\n')
        starter.chmod(0o755)
        monkeypatch.setattr(sandbox.sys, "executable", str(starter))

    return patch


def test_packs_what_decoding_gives(tmp_path, make_video, moving_square, decoder, prepare_settings):
    path = make_video(tmp_path / "a.avi", moving_square(20))
    packed = decoder().pack(path)
    plain = decode_video(path, prepare_settings().decoding, short_side=24)
    [piece] = packed.pieces
    assert piece.shape == (20, 24, 32)
    assert b"".join(packed.parts(piece)) == plain.frames.tobytes()
    assert piece.facts["frames"] == 20 and piece.facts["seconds"] == 0.8
    assert packed.sha256 == plain.sha256 and piece.facts["codec"] == "mpeg4"


def test_one_child_serves_many_files(tmp_path, make_video, moving_square, decoder):
    path = make_video(tmp_path / "a.avi", moving_square(20))
    one = decoder()
    header = one.header(path)
    first = one.process.pid
    with pytest.raises(RejectedVideo, match="no such file"):
        one.pack(tmp_path / "missing.avi")
    assert frames_of(one.pack(path)) == header.claimed_frames == 20
    assert one.process.pid == first


def test_a_dead_child_is_started_again(tmp_path, make_video, moving_square, decoder):
    path = make_video(tmp_path / "a.avi", moving_square(20))
    one = decoder()
    one.pack(path)
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.wait()
    assert frames_of(one.pack(path)) == 20


def test_a_child_that_is_killed_from_outside_is_no_fault_of_the_file(
    tmp_path, make_video, moving_square, decoder, child_that
):
    """As by a system short of memory: tried once more, then rejected by that name."""
    path = make_video(tmp_path / "a.avi", moving_square(20))
    once = tmp_path / "once"
    child_that(
        f"import os, pathlib\nfrom hdc.data.preparation.packing import pack_file\n"
        f"once = pathlib.Path({str(once)!r})\n"
        "if not once.exists():\n    once.touch()\n    os.kill(os.getpid(), 9)\n"
        "return pack_file(path, cut, decoding, images, store, form, to)"
    )
    assert frames_of(decoder().pack(path)) == 20
    child_that("import os\nos.kill(os.getpid(), 9)")
    with pytest.raises(RejectedVideo, match=r"the decoder was killed twice \(SIGKILL\)"):
        decoder().pack(path)


def test_a_child_that_cannot_start_is_no_fault_of_the_file(tmp_path, decoder, monkeypatch):
    monkeypatch.setattr(sandbox, "START_SECONDS", 0.01)
    with pytest.raises(RuntimeError, match="the decoding child cannot start"):
        decoder().pack(tmp_path / "any.avi")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import os\nos.kill(os.getpid(), 11)", r"the decoder crashes on it \(SIGSEGV\)"),
        ("import time\ntime.sleep(60)", "takes longer than 2 seconds to decode"),
        ("while True: pass", "takes longer than (2 seconds|its limit of processor time) to dec"),
        ("bytearray(2**33)", "needs more than 1 GiB of memory to .*: raise decoding.memory_gib$"),
        ("raise SystemExit(3)", r"the decoder stops on it \(status 3\)"),
    ],
)
def test_harm_costs_one_file(tmp_path, decoder, child_that, body, reason):
    child_that(body)
    one = decoder(decoding__seconds=2.0, decoding__memory_gib=1.0)
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(RejectedVideo, match=reason):
            one.pack(tmp_path / "any.avi")
    assert time.monotonic() - started < 60


def test_the_limit_of_time_grows_with_what_the_file_claims(
    tmp_path, make_video, moving_square, decoder, child_that
):
    path = make_video(tmp_path / "a.avi", moving_square(50))  # two seconds
    child_that(
        "to.header(read_header(path, decoding))\n"
        "import time\ntime.sleep(2)\n"
        "raise RejectedVideo('in time')"
    )
    with pytest.raises(RejectedVideo, match="takes longer than 1 seconds"):
        decoder(decoding__seconds=0.5, decoding__seconds_per_second=0.2).pack(path)
    with pytest.raises(RejectedVideo, match="in time"):
        decoder(decoding__seconds=0.5, decoding__seconds_per_second=10.0).pack(path)


@pytest.mark.parametrize("form", ["raw", "h264"])
def test_a_video_need_not_fit_into_memory(tmp_path, make_video, moving_square, decoder, form):
    """300 frames of 0.9 MB, where 0.3 GiB are left beside the program."""
    one = decoder(form, store__short_side=480, decoding__memory_gib=0.6)
    packed = one.pack(make_video(tmp_path / "long.avi", moving_square(300)))
    [piece] = packed.pieces
    assert piece.shape == (300, 480, 640)
    assert form == "h264" or sum(map(len, packed.parts(piece))) == 300 * 480 * 640 * 3
    packed.close()


def resident(pid):
    """Resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_stays_flat_over_hundreds_of_files(tmp_path, make_video, decoder):
    """300 files of 1.4 MB of frames each: kept, they would take 400 MB."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (120, 160, 3), np.uint8)
    frames = np.stack([np.roll(picture, step, axis=1) for step in range(24)])
    paths = [make_video(tmp_path / f"{n}.{s}", frames) for n in range(3) for s in ("avi", "mp4")]
    one = decoder()
    for path in paths * 10:
        one.pack(path)
    ours, theirs = resident(os.getpid()), resident(one.process.pid)
    for path in paths * 40:
        one.pack(path)
    assert resident(one.process.pid) - theirs < 20e6
    assert resident(os.getpid()) - ours < 20e6


def test_closed_while_its_child_starts_it_leaves_none(decoder, monkeypatch, tmp_path):
    """As by another thread, at the moment when there is no child to end yet."""
    one, children = decoder(), []

    class Started(sandbox.subprocess.Popen):
        def __init__(self, *words, **more):
            one.close()
            super().__init__(*words, **more)
            children.append(self)

    monkeypatch.setattr(sandbox.subprocess, "Popen", Started)
    with pytest.raises(RejectedVideo, match="the work was stopped"):
        one.pack(tmp_path / "a.avi")
    assert [child.poll() for child in children] == [-signal.SIGKILL]
