"""From a file to packed videos, a frame at a time: memory does not grow with its length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from hdc.data import h264
from hdc.data.preparation.clock import TimedFrame, UnsoundStamps, by_rate, by_stamps, nearest
from hdc.data.preparation.container import Header
from hdc.data.preparation.frame_source import FrameSource
from hdc.data.preparation.pieces import Even, Plan, Span, Spans, Whole
from hdc.data.preparation.source_choice import frame_source
from hdc.data.store import H264
from hdc.settings.data import Decoding, Images, Store

_IN_TURN = 32  # frames decoded, then encoded: faster than one and one
CHUNK = 2**20  # bytes of a packed video that are handed on at once


@dataclass(frozen=True)
class Cut:
    """Which parts of a file become videos: all in one, some spans, or equal pieces."""

    spans: Sequence[Span] | None = None
    seconds: float | None = None  # about how long an equal piece is

    @property
    def whole(self) -> bool:
        return self.spans is None and self.seconds is None

    def plan(self, header: Header) -> Plan:
        if self.spans is not None:
            return Spans(self.spans)
        return Whole() if self.seconds is None else Even(self.seconds, _said_length(header))


@dataclass(frozen=True)
class Receiver:
    """Who is told what becomes of a file."""

    header: Callable[[Header], None]  # before its first frame
    chunk: Callable[[int, bytearray], None]  # the next bytes of a piece
    piece: Callable[[int, bytes, dict[str, Any]], None]  # done: what stands before its bytes, facts
    again: Callable[[], None]  # forget all pieces: they come anew


def pack_file(
    path: str | Path,
    cut: Cut,
    decoding: Decoding,
    images: Images | None,
    store: Store,
    form: str,
    to: Receiver,
) -> str:
    """Decode a file, or a folder of images, as far as its pieces need it; returns its checksum.

    Facts of a piece are columns of index.csv and files.csv, without the checksum, and its shape.
    Raises RejectedVideo with the reason, and MemoryError; pieces that were done before are sound.
    """
    timed = store.fps is not None or not cut.whole
    for trusted in (True, False) if timed else (False,):
        with frame_source(path, decoding, images, short_side=store.short_side) as source:
            to.header(source.header)
            try:
                _pack(source, trusted, cut, decoding, store, form, to)
                return source.sha256
            except UnsoundStamps:
                to.again()
    raise AssertionError("a rate needs no time stamps")


def _pack(
    source: FrameSource,
    trusted: bool,
    cut: Cut,
    decoding: Decoding,
    store: Store,
    form: str,
    to: Receiver,
) -> None:
    plan = cut.plan(source.header)
    running: dict[int, _Piece] = {}

    def finish(number: int) -> None:
        piece = running.pop(number)
        before, rest = piece.finish()
        to.chunk(number, rest)
        to.piece(number, before, facts(source, piece, cut, decoding, store))

    seconds = 0.0
    for seconds, frame in _timed(source, trusted, decoding, store):
        numbers = plan.at(seconds)
        for number in [one for one in running if one not in numbers]:
            finish(number)
        if plan.over(seconds):
            return
        for number in numbers:
            piece = running.setdefault(number, _Piece(form, store, seconds))
            if (chunk := piece.add(frame.image)) is not None:
                to.chunk(number, chunk)
    for number in list(running):
        finish(number)


def _timed(
    source: FrameSource, trusted: bool, decoding: Decoding, store: Store
) -> Iterator[TimedFrame]:
    """The frames to be stored of all the file, each with its time."""
    rate = source.header.fps or decoding.assumed_fps
    in_order = source.frames()
    start = source.header.start
    frames = by_stamps(in_order, start=start) if trusted else by_rate(in_order, fps=rate)
    return frames if store.fps is None else nearest(frames, fps=store.fps, lasts=1 / rate)


@dataclass
class _Piece:
    """A video on its way to its packed form."""

    form: str
    store: Store
    start: float  # seconds
    count: int = 0
    shape: tuple[int, ...] = ()  # height and width
    images: list[np.ndarray] = field(default_factory=list)  # to be encoded
    waiting: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.packer = h264.Packer(self.store) if self.form == H264 else None

    def add(self, image: UInt8[np.ndarray, "height width 3"]) -> bytearray | None:
        """Take a frame; the next bytes, once there are enough."""
        self.count, self.shape = self.count + 1, image.shape[:2]
        if self.packer is None:
            self.waiting += image.data if image.flags.c_contiguous else image.tobytes()
            return self._taken() if len(self.waiting) >= CHUNK else None
        self.images.append(image)
        if len(self.images) == _IN_TURN:
            self._encode()
        return self._taken() if len(self.waiting) >= CHUNK else None

    def finish(self) -> tuple[bytes, bytearray]:
        """What stands before all bytes, and the last of them."""
        self._encode()
        before, rest = self.packer.finish() if self.packer is not None else (b"", b"")
        self.waiting += rest
        return before, self._taken()

    def _encode(self) -> None:
        for image in self.images:
            self.waiting += self.packer.add(image)
        self.images.clear()

    def _taken(self) -> bytearray:
        taken, self.waiting = self.waiting, bytearray()
        return taken


def facts(
    source: FrameSource, piece: _Piece, cut: Cut, decoding: Decoding, store: Store
) -> dict[str, Any]:
    """What is known of a piece, by column of index.csv and of files.csv, and its shape."""
    header, orientation = source.header, source.orientation
    fps = header.fps or decoding.assumed_fps
    return {
        "shape": (piece.count, *piece.shape),
        "start": piece.start,
        "frames": piece.count,
        "fps": fps,
        "width": source.size[0],
        "height": source.size[1],
        "seconds": round(piece.count / (store.fps or fps), 3),
        "container": header.container,
        "codec": header.codec,
        "claimed_frames": header.claimed_frames,
        "fps_varies": source.fps_varies,
        "rotation": orientation.rotation,
        "mirrored": orientation.mirrored,
        "orientation_fault": orientation.fault,
        "truncation": "" if header.truncation_told else "cannot be told",
        "fps_assumed": header.fps is None,
    }


def _said_length(header: Header) -> float:
    """How many seconds of video a file claims; 0: it does not say."""
    if header.claimed_frames and header.fps:
        return header.claimed_frames / header.fps
    return header.video_seconds or header.claimed_seconds
