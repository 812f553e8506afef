"""Decodes each video in a child process with limits, so that no file can harm the whole.

A crash, a hang or a bomb in one file ends the child, which is started again; the file is rejected.
The child is `python -m hdc.data.preparation.sandbox <descriptor>`: requests and answers are JSON
over a pipe.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from hdc.data import h264
from hdc.data.preparation.container import Header, RejectedVideo, read_header
from hdc.data.preparation.decode import DecodedVideo, decode_video, stored_size
from hdc.data.preparation.images import FolderOfImages, decode_images
from hdc.data.store import RAW
from hdc.settings.data import Decoding, Images, Store

START_SECONDS = 120.0  # for the child's imports, on a busy machine
STOPPED = "not decoded: the work was stopped"
LONGEST_SECONDS = 24 * 3600.0  # a claim of more does not lengthen the limit
_GIB = 2**30
_PROGRAM_GIB = 0.3  # address space of a child without a video's frames
_COPIES = 2.3  # of all frames at the end: as gathered, with room to grow, and as packed


@dataclass(frozen=True)
class PackedVideo:
    """A decoded video in the form of the store, and what is known of its file."""

    packed: bytes
    shape: tuple[int, int, int]  # time, height, width as stored
    facts: dict[str, Any]  # columns of index.csv and of files.csv


class ChildKilled(RejectedVideo):
    """Something other than the file ended the child."""


class Decoder:
    """A child process that decodes one file at a time. Use it in a `with`; not from two threads."""

    def __init__(
        self, decoding: Decoding, store: Store, form: str, images: Images | None = None
    ) -> None:
        self.decoding = decoding
        self.settings = {"decoding": asdict(decoding), "store": asdict(store), "form": form}
        self.settings["images"] = asdict(images) if images else None
        self.process: subprocess.Popen | None = None
        self.connection: Connection
        self.closed = False

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child for good; whoever still waits for it in another thread is refused."""
        self.closed = True
        self._stop()

    def header(self, path: str | Path) -> Header:
        """What a file says about itself. Raises RejectedVideo with the reason."""
        self._ask({"path": str(path), "frames": False})
        return Header(**self._answer(self.decoding.seconds)["header"])

    def pack(self, path: str | Path) -> PackedVideo:
        """Decode a file in full and pack it. Raises RejectedVideo with the reason.

        A child that something from outside has killed, such as a system short of memory, says
        nothing about the file: it is tried once more.
        """
        try:
            return self._pack(path)
        except ChildKilled:
            return self._pack(path)

    def _pack(self, path: str | Path) -> PackedVideo:
        self._ask({"path": str(path), "frames": True})
        started, decoding = time.monotonic(), self.decoding
        answer = self._answer(decoding.seconds)
        claimed = min(LONGEST_SECONDS, answer["header"]["claimed_seconds"])
        limit = decoding.seconds + decoding.seconds_per_second * claimed
        answer = self._answer(limit - (time.monotonic() - started), limit=limit)
        try:
            packed = self.connection.recv_bytes()
        except (EOFError, OSError):
            raise RejectedVideo(self._obituary()) from None
        return PackedVideo(packed, tuple(answer["shape"]), answer["facts"])

    def _stop(self) -> None:
        """End the child, whatever it does; the next file gets a new one."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            self.connection.close()

    def _ask(self, request: dict[str, Any]) -> None:
        if self.closed:
            raise RejectedVideo(STOPPED)
        if self.process is None:
            self._start()
        try:
            self.connection.send_bytes(json.dumps(request).encode())
        except OSError:  # it died while idle
            self._stop()
            self._start()
            self.connection.send_bytes(json.dumps(request).encode())

    def _start(self) -> None:
        self.connection, theirs = Pipe()
        # One thread a child: files are decoded side by side, and threads take address space.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hdc.data.preparation.sandbox", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        if self.closed:  # by another thread, which saw no child yet
            self._stop()
            raise RejectedVideo(STOPPED)
        try:
            self.connection.send_bytes(json.dumps(self.settings).encode())
            self._answer(START_SECONDS)
        except (RejectedVideo, OSError) as error:  # no file's fault
            raise RuntimeError(f"the decoding child cannot start: {error}") from error

    def _answer(self, seconds: float, *, limit: float | None = None) -> dict[str, Any]:
        """The child's next answer; RejectedVideo if it is one, is late or never comes."""
        try:
            if not self.connection.poll(max(0.0, seconds)):
                self._stop()
                raise RejectedVideo(f"takes longer than {limit or seconds:.0f} seconds to decode")
            answer = json.loads(self.connection.recv_bytes())
        except (EOFError, ConnectionError):
            raise RejectedVideo(self._obituary()) from None
        if "rejected" in answer:
            raise RejectedVideo(answer["rejected"])
        return answer

    def _obituary(self) -> str:
        """How the child ended, in words."""
        code = 0 if self.process is None or self.closed else self.process.wait()
        self._stop()
        if code == -signal.SIGXCPU:
            return "takes longer than its limit of processor time to decode"
        if code >= 0:  # Python's own way out, with a traceback
            return f"the decoder stops on it (status {code})"
        if code in (-signal.SIGKILL, -signal.SIGTERM):
            raise ChildKilled(f"the decoder was killed twice ({signal.Signals(-code).name})")
        return f"the decoder crashes on it ({signal.Signals(-code).name})"


def serve(connection: Connection) -> None:
    """Answer requests until the other end is closed."""
    settings = json.loads(connection.recv_bytes())
    decoding, store = Decoding(**settings["decoding"]), Store(**settings["store"])
    images = Images(**settings["images"]) if settings["images"] else None
    _limit(resource.RLIMIT_AS, int(decoding.memory_gib * _GIB))
    _limit(resource.RLIMIT_CORE, 0)
    connection.send_bytes(b"{}")
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        try:
            _serve_one(connection, request, decoding, store, settings["form"], images)
        except RejectedVideo as verdict:
            connection.send_bytes(json.dumps({"rejected": str(verdict)}).encode())


def _serve_one(
    connection: Connection,
    request: dict[str, Any],
    decoding: Decoding,
    store: Store,
    form: str,
    images: Images | None,
) -> None:
    announced = []

    def announce(header: Header) -> None:
        claimed = min(LONGEST_SECONDS, header.claimed_seconds)
        _allow_processor_time(decoding.seconds + decoding.seconds_per_second * claimed)
        connection.send_bytes(json.dumps({"header": asdict(header)}).encode())
        announced.append(header)

    _allow_processor_time(decoding.seconds)
    path = request["path"]
    try:
        if not request["frames"]:
            announce(_header(path, decoding, store, images))
            return
        if images is None:
            video = decode_video(path, decoding, short_side=store.short_side, on_header=announce)
        else:
            side = store.short_side
            video = decode_images(path, decoding, images, short_side=side, on_header=announce)
        packed = video.frames.tobytes() if form == RAW else h264.pack(video.frames, store)
    except MemoryError:
        raise RejectedVideo(_what_fits(decoding, store, *announced)) from None
    answer = {"shape": video.frames.shape[:3], "facts": facts(video)}
    connection.send_bytes(json.dumps(answer).encode())
    connection.send_bytes(packed)


def _header(path: str, decoding: Decoding, store: Store, images: Images | None) -> Header:
    if images is None:
        return read_header(path, decoding)
    with FolderOfImages(path, decoding, images, short_side=store.short_side) as folder:
        return folder.header


def _what_fits(decoding: Decoding, store: Store, header: Header | None = None) -> str:
    """The words for a video that needs too much memory, with how long one of its size may be."""
    most = f"needs more than {decoding.memory_gib:g} GiB of memory to decode"
    if header is None or not header.width or not header.height:
        return f"{most}: raise decoding.memory_gib"
    width, height = stored_size(header.width, header.height, short_side=store.short_side)
    space = (decoding.memory_gib - _PROGRAM_GIB) * _GIB
    frames = int(max(0.0, space) / (_COPIES * 3 * width * height))
    fits = f"about {frames:,} frames of {width} x {height} pixels fit"
    if header.fps:
        fits += f", {frames / header.fps / 60:.1f} minutes"
    return f"{most}: {fits}; for more, raise decoding.memory_gib"


def facts(video: DecodedVideo) -> dict[str, Any]:
    """What decoding tells about a video, by column of index.csv and of files.csv."""
    count, header = len(video.frames), video.header
    return {
        "frames": count,
        "fps": header.fps,
        "width": video.width,
        "height": video.height,
        "seconds": round(count / header.fps, 3) if header.fps else None,
        "sha256": video.sha256,
        "container": header.container,
        "codec": header.codec,
        "claimed_frames": header.claimed_frames,
        "fps_varies": video.fps_varies,
        "rotation": video.orientation.rotation,
        "mirrored": video.orientation.mirrored,
        "orientation_fault": video.orientation.fault,
    }


def _allow_processor_time(seconds: float) -> None:
    """End this process after so many more seconds of processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)


def _limit(what: int, most: int) -> None:
    """Lower or raise a limit of this process, never above what the system allows it."""
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    """Serve as the child on the pipe whose descriptor the command line names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    with suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone
        serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
