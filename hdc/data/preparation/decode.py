"""Decodes a video in full and says what is wrong with it.

Damage is mostly silent: a decoder hides it as well as it can. Five signals together tell: an error
under `err_detect=explode`, a frame or a packet marked corrupt, any message of FFmpeg at error
level, and a header that claims more frames than decode.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from hdc.data.preparation.container import Header, RejectedVideo, header_of, opened, verdicts
from hdc.data.preparation.orientation import Orientation, display_matrix, orientation_of
from hdc.settings.data import Decoding


@dataclass(frozen=True)
class DecodedVideo:
    """All frames of a video at their stored size, as a player shows them, and facts about it."""

    frames: UInt8[np.ndarray, "time height width 3"]
    header: Header
    width: int  # of the decoded frames, before resizing and turning
    height: int
    orientation: Orientation  # how the file says to show its first frame
    fps_varies: bool
    sha256: str


def decode_video(
    path: str | Path,
    decoding: Decoding,
    *,
    short_side: int,
    on_header: Callable[[Header], None] = lambda header: None,
) -> DecodedVideo:
    """Decode every frame of `path`, in decode order, resized so that its short side fits.

    The order is the decoder's, never that of the timestamps: in AVI files with B-frames those are
    permuted, and sorting by them scrambles time. `on_header` is called before the first frame.
    Limits on time and memory are the caller's (`hdc.data.preparation.sandbox`).
    Raises RejectedVideo with the reason, and MemoryError.
    """
    with verdicts(path) as messages, opened(path, decoding) as (container, stream):
        header = header_of(container, stream)
        on_header(header)
        frames = _Frames(short_side)
        for frame in _decoded(container, stream, frames):
            frames.add(frame)
            _require_silence(messages)
        _require_whole(header, frames, decoding.frame_count_tolerance)
    _require_silence(messages)
    with Path(path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return DecodedVideo(
        frames=frames.upright(),
        header=header,
        width=frames.size[0],
        height=frames.size[1],
        orientation=frames.orientation(),
        fps_varies=_varies(frames.stamps),
        sha256=sha256,
    )


def _decoded(
    container: InputContainer, stream: VideoStream, frames: "_Frames"
) -> Iterator[VideoFrame]:
    """The frames of a stream; RejectedVideo at the first packet or frame marked corrupt."""
    number, packets = 0, container.demux(stream)
    for packet in packets:
        frames.discarded += packet.is_discard  # cut off by an edit list, and still in the header
        if packet.is_corrupt:
            ends = not any(later.size for later in packets)
            claim = f"truncated: the header claims {stream.frames} frames, the file ends after"
            raise RejectedVideo(f"{claim if ends else 'damaged:'} frame {number}")
        for frame in packet.decode():
            if frame.is_corrupt:
                raise RejectedVideo(f"frame {number} is damaged")
            yield frame
            number += 1


class _Frames:
    """Gathers frames at their stored size."""

    def __init__(self, short_side: int) -> None:
        self.short_side = short_side
        # One for all frames, on one thread: several times faster than frame.reformat.
        self.reformatter = VideoReformatter()
        self.pixels = bytearray()
        self.count, self.size, self.discarded = 0, (0, 0), 0
        self.matrix, self.change = b"", ""  # of the first frame; whether others have another
        self.stamps: list[float] = []  # seconds

    def add(self, frame: VideoFrame) -> None:
        size, matrix = (frame.width, frame.height), display_matrix(frame)
        if self.count == 0:
            self.size, self.matrix = size, matrix
        changed = matrix != self.matrix and orientation_of(matrix) != orientation_of(self.matrix)
        if changed and not self.change:
            self.change = f"changes at frame {self.count}: stored as the first"
        if size != self.size:
            raise RejectedVideo(f"frame size changes at frame {self.count}")
        width, height = stored_size(*size, short_side=self.short_side)
        resized = self.reformatter.reformat(frame, width, height, format="rgb24", threads=1)
        self.pixels += resized.to_ndarray().tobytes()
        self.count += 1
        if frame.pts is not None:
            self.stamps.append(float(frame.pts * frame.time_base))

    def orientation(self) -> Orientation:
        """How the file says to show its first frame, and what is not stored that way."""
        orientation = orientation_of(self.matrix)
        return replace(orientation, fault=orientation.fault or self.change)

    def upright(self) -> UInt8[np.ndarray, "time height width 3"]:
        """All frames, as a player shows the first where that is by quarter turns."""
        width, height = stored_size(*self.size, short_side=self.short_side)
        frames = np.frombuffer(self.pixels, np.uint8).reshape(self.count, height, width, 3)
        return orientation_of(self.matrix).upright(frames)


def _require_silence(messages: list[tuple[int, str, str]]) -> None:
    if messages:
        _, name, text = messages[0]
        raise RejectedVideo(f"damaged, says {name}: {' '.join(text.split())}"[:200])


def _require_whole(header: Header, frames: _Frames, tolerance: int) -> None:
    """RejectedVideo unless so many frames decode, or so many seconds, as the header claims."""
    if frames.count == 0:
        raise RejectedVideo("no frame")
    if header.claimed_frames - frames.discarded - frames.count > tolerance:
        raise RejectedVideo(
            f"truncated: the header claims {header.claimed_frames} frames, {frames.count} decode"
        )
    if header.video_seconds and frames.stamps:
        gaps = np.diff(np.sort(frames.stamps))
        gap = float(np.median(gaps)) if len(gaps) else 1 / (header.fps or 25)
        end = max(frames.stamps) + gap
        if header.video_seconds - end > (tolerance + 1) * gap:
            raise RejectedVideo(
                f"truncated: the header claims {header.video_seconds:.2f} seconds, frames end "
                f"after {end:.2f}"
            )


def _varies(stamps: list[float]) -> bool:
    """Whether times between frames differ by more than rounding to milliseconds; stamps lie."""
    gaps = np.diff(np.sort(stamps))
    return bool(len(gaps) and np.ptp(gaps) > max(0.002, 0.1 * np.median(gaps)))


def stored_size(width: int, height: int, *, short_side: int) -> tuple[int, int]:
    """Width and height with the smaller of the two at `short_side`, in the same proportion."""
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))
