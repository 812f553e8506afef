"""The child process that decodes: `python -m hdc.data.preparation.decoding_child <descriptor>`.

Requests and answers are JSON over a pipe; bytes of a video follow the answer that says how many.
"""

import json
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hdc.data.preparation.container import Header, RejectedVideo
from hdc.data.preparation.packing import Cut, Receiver, pack_file
from hdc.data.preparation.source_choice import frame_source
from hdc.data.preparation.source_files import size_and_time
from hdc.settings.data import Decoding, Images, Store

LONGEST_SECONDS = 24 * 3600.0  # a claim of more does not lengthen the limit
_SLOWEST = 2**16  # bytes a second: how long a file may last that does not say it
_GIB = 2**30


def seconds_allowed(path: str | Path, header: Header, decoding: Decoding) -> float:
    """How long decoding a file may take, by how long it says, or its size lets think, it lasts."""
    claimed = header.claimed_seconds
    if not header.truncation_told:
        claimed = max(claimed, size_and_time(str(path))[0] / _SLOWEST)
    return decoding.seconds + decoding.seconds_per_second * min(LONGEST_SECONDS, claimed)


def serve(connection: Connection) -> None:
    """Answer requests until the other end is closed."""
    settings = json.loads(connection.recv_bytes())
    decoding, store = Decoding(**settings["decoding"]), Store(**settings["store"])
    images = Images(**settings["images"]) if settings["images"] else None
    job = (decoding, store, settings["form"], images)
    _limit(resource.RLIMIT_AS, int(decoding.memory_gib * _GIB))
    _limit(resource.RLIMIT_CORE, 0)
    connection.send_bytes(b"{}")
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        try:
            _serve_one(connection, request, *job)
        except RejectedVideo as verdict:
            _send(connection, rejected=str(verdict))
        except MemoryError:
            most = f"needs more than {decoding.memory_gib:g} GiB of memory to decode"
            _send(connection, rejected=f"{most}: raise decoding.memory_gib")


def _serve_one(
    connection: Connection,
    request: dict[str, Any],
    decoding: Decoding,
    store: Store,
    form: str,
    images: Images | None,
) -> None:
    path, announced = request["path"], []

    def announce(header: Header) -> None:
        if not announced:
            announced.append(header)
            _allow_processor_time(seconds_allowed(path, header, decoding))
            _send(connection, header=asdict(header))

    def hand_on(piece: int, content: bytearray) -> None:
        if content:
            _send(connection, content, piece=piece)

    def end(piece: int, before: bytes, facts: dict[str, Any]) -> None:
        _send(connection, before, ended=piece, facts=facts)

    _allow_processor_time(decoding.seconds)
    if not request["frames"]:
        with frame_source(path, decoding, images, short_side=store.short_side) as source:
            announce(source.header)
        return
    receiver = Receiver(announce, hand_on, end, lambda: _send(connection, again=True))
    sha256 = pack_file(path, Cut(**request["cut"]), decoding, images, store, form, receiver)
    _send(connection, sha256=sha256)


def _send(connection: Connection, content: bytes | bytearray | None = None, **answer: Any) -> None:
    """Say something, and how many bytes follow."""
    if content is not None:
        answer["bytes"] = len(content)
    connection.send_bytes(json.dumps(answer).encode())
    if content:
        connection.send_bytes(content)


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
