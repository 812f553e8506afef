"""Decodes each video in a child process with limits, so that no file can harm the whole.

A crash, a hang or a bomb in one file ends the child (`decoding_child.py`), which is started again;
the file is rejected. Packed frames come over a pipe as they are made; what does not fit into some
memory lies on the disk until the file is known to be sound.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from hdc.data.preparation.container import Header, RejectedVideo
from hdc.data.preparation.decoding_child import seconds_allowed
from hdc.data.preparation.packing import Cut
from hdc.data.preparation.spool import Spool
from hdc.settings.data import Decoding, Images, Store

START_SECONDS = 120.0  # for the child's imports, on a busy machine
STOPPED = "not decoded: the work was stopped"


@dataclass(frozen=True)
class PackedPiece:
    """A video in the form of the store, and what is known of it."""

    number: int  # among those of its file
    before: bytes  # all its other bytes
    shape: tuple[int, int, int]  # time, height, width as stored
    start: float  # seconds in its file
    facts: dict[str, Any]  # columns of index.csv and of files.csv


@dataclass
class PackedFile:
    """The videos that a file gave; close it when their bytes are read."""

    spool: Spool
    pieces: list[PackedPiece] = field(default_factory=list)  # in the order of their numbers
    sha256: str = ""  # of the file; empty if it was not decoded to its end
    fault: RejectedVideo | None = None  # why there are no more pieces

    def parts(self, piece: PackedPiece) -> Iterator[bytes]:
        """The bytes of a piece from its start, some at a time."""
        yield piece.before
        yield from self.spool.parts(piece.number)

    def close(self) -> None:
        """Free the memory and the disk that it takes."""
        self.spool.close()


class ChildKilled(RejectedVideo):
    """Something other than the file ended the child."""


class Decoder:
    """A child process that decodes one file at a time. Use it in a `with`; not from two threads."""

    def __init__(
        self,
        decoding: Decoding,
        store: Store,
        form: str,
        images: Images | None = None,
        *,
        folder: Path | None = None,
    ) -> None:
        """`folder`: where frames may lie for a while; else the system's for such things."""
        self.decoding, self.folder = decoding, folder or Path(tempfile.gettempdir())
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

    def pack(self, path: str | Path, cut: Cut = Cut()) -> PackedFile:  # noqa: B008  (is frozen)
        """Decode a file as far as its pieces need it, and pack them.

        Raises RejectedVideo with the reason, unless spans are asked for and some were done before:
        those are sound. A child that something from outside has killed, such as a system short of
        memory, says nothing about the file: it is tried once more.
        """
        try:
            return self._pack(path, cut)
        except ChildKilled:
            return self._pack(path, cut)

    def _pack(self, path: str | Path, cut: Cut) -> PackedFile:
        self._ask({"path": str(path), "frames": True, "cut": asdict(cut)})
        started, limit = time.monotonic(), self.decoding.seconds
        packed = PackedFile(Spool(self.folder))
        try:
            header = Header(**self._answer(limit)["header"])
            limit = seconds_allowed(path, header, self.decoding)
            while not packed.sha256:
                left = limit - (time.monotonic() - started)
                self._take(self._answer(left, limit=limit), packed)
        except RejectedVideo as verdict:
            if cut.spans is None or not packed.pieces or isinstance(verdict, ChildKilled):
                packed.close()
                raise
            packed.fault = verdict
        except BaseException:  # a full disk; what it still sends is nobody's answer
            self._stop()
            packed.close()
            raise
        packed.pieces.sort(key=lambda piece: piece.number)
        return packed

    def _take(self, answer: dict[str, Any], packed: PackedFile) -> None:
        """Follow what the child says on its way through a file."""
        content = self._bytes() if answer.get("bytes") else b""
        if "again" in answer:
            packed.close()
            packed.pieces.clear()
        elif "ended" in answer:
            facts = answer["facts"]
            shape, start = tuple(facts.pop("shape")), facts.pop("start")
            packed.pieces.append(PackedPiece(answer["ended"], content, shape, start, facts))
        elif "piece" in answer:
            packed.spool.add(answer["piece"], content)
        else:
            packed.sha256 = answer["sha256"]

    def _bytes(self) -> bytes:
        try:
            return self.connection.recv_bytes()
        except (EOFError, OSError):
            raise RejectedVideo(self._obituary()) from None

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
            [sys.executable, "-m", "hdc.data.preparation.decoding_child", str(theirs.fileno())],
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
