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
        code = "import sys\nfrom hdc.data.preparation import sandbox\n"
        code += f"def harm(*_, **__):\n{textwrap.indent(body, '    ')}\n"
        code += "sandbox.decode_video = harm\nsandbox.main()\n"
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
    assert packed.shape == (20, 24, 32)
    assert packed.packed == plain.frames.tobytes()
    assert packed.facts["frames"] == 20 and packed.facts["seconds"] == 0.8
    assert packed.facts["sha256"] == plain.sha256 and packed.facts["codec"] == "mpeg4"


def test_one_child_serves_many_files(tmp_path, make_video, moving_square, decoder):
    path = make_video(tmp_path / "a.avi", moving_square(20))
    one = decoder()
    header = one.header(path)
    first = one.process.pid
    with pytest.raises(RejectedVideo, match="no such file"):
        one.pack(tmp_path / "missing.avi")
    assert one.pack(path).shape[0] == header.claimed_frames == 20
    assert one.process.pid == first


def test_a_dead_child_is_started_again(tmp_path, make_video, moving_square, decoder):
    path = make_video(tmp_path / "a.avi", moving_square(20))
    one = decoder()
    one.pack(path)
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.wait()
    assert one.pack(path).shape[0] == 20


def test_a_child_that_is_killed_from_outside_is_no_fault_of_the_file(
    tmp_path, make_video, moving_square, decoder, child_that
):
    """As by a system short of memory: tried once more, then rejected by that name."""
    path = make_video(tmp_path / "a.avi", moving_square(20))
    once = tmp_path / "once"
    child_that(
        f"import os, pathlib\nfrom hdc.data.preparation.decode import decode_video\n"
        f"once = pathlib.Path({str(once)!r})\n"
        "if not once.exists():\n    once.touch()\n    os.kill(os.getpid(), 9)\n"
        "return decode_video(*_, **__)"
    )
    assert decoder().pack(path).shape[0] == 20
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
        "header = sandbox.read_header(sys.modules['__main__'].__dict__.get('p', _[0]), _[1])\n"
        "__['on_header'](header)\n"
        "import time\ntime.sleep(2)\n"
        "raise sandbox.RejectedVideo('in time')"
    )
    with pytest.raises(RejectedVideo, match="takes longer than 1 seconds"):
        decoder(decoding__seconds=0.5, decoding__seconds_per_second=0.2).pack(path)
    with pytest.raises(RejectedVideo, match="in time"):
        decoder(decoding__seconds=0.5, decoding__seconds_per_second=10.0).pack(path)


@pytest.mark.parametrize("form", ["raw", "h264"])
def test_a_video_that_is_too_long_is_told_how_long_it_may_be(
    tmp_path, make_video, moving_square, decoder, form
):
    """0.3 GiB for frames of 0.9 MB, each there 2.3 times: about 151, which is 6 seconds."""
    one = decoder(form, store__short_side=480, decoding__memory_gib=0.6)
    reason = (
        "needs more than 0.6 GiB of memory to decode: about 151 frames of 640 x 480 pixels fit, "
        "0.1 minutes; for more, raise decoding.memory_gib"
    )
    with pytest.raises(RejectedVideo, match=f"^{reason}$"):
        one.pack(make_video(tmp_path / "long.avi", moving_square(300)))
    assert one.pack(make_video(tmp_path / "a.avi", moving_square(110))).shape == (110, 480, 640)


def test_what_fits_is_told_by_the_header_of_the_file(
    tmp_path, make_video, moving_square, decoder, child_that
):
    """By frames of its size, at its rate, whatever it was that took the memory."""
    path = make_video(tmp_path / "a.avi", moving_square(5), fps=30)
    child_that(
        "header = sandbox.read_header(_[0], _[1])\n__['on_header'](header)\nraise MemoryError"
    )
    fits = "about 1,560,200 frames of 32 x 24 pixels fit, 866.8 minutes"
    with pytest.raises(RejectedVideo, match=f"needs more than 8 GiB of memory to decode: {fits}; "):
        decoder(decoding__memory_gib=8.0).pack(path)


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
