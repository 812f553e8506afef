"""Decodes a video file in full and says what is wrong with it.

Damage is mostly silent: a decoder hides it as well as it can. Five signals together tell: an error
under `err_detect=explode`, a frame or a packet marked corrupt, any message of FFmpeg at error
level, and a header that claims more frames than decode.
"""

import hashlib
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8

from hdc.data.preparation.container import (
    Header,
    RejectedVideo,
    captured_messages,
    header_of,
    opened,
    verdicts,
)
from hdc.data.preparation.frame_source import FrameSource, SourceFrame
from hdc.data.preparation.orientation import Orientation, display_matrix, orientation_of
from hdc.settings.data import Decoding


class VideoFile(FrameSource):
    """The frames of a file that FFmpeg decodes (`hdc.data.preparation.frame_source`).

    In decode order, never in that of the timestamps: in AVI files with B-frames those are permuted,
    and sorting by them scrambles time. Limits on time and memory are the caller's
    (`hdc.data.preparation.sandbox`).
    """

    def __init__(self, path: str | Path, decoding: Decoding, *, short_side: int) -> None:
        self.path, self.decoding, self.short_side = Path(path), decoding, short_side
        # One for all frames, on one thread: several times faster than frame.reformat.
        self.reformatter = VideoReformatter()
        self.count, self.size, self.discarded = 0, (0, 0), 0
        self.matrix, self.change = b"", ""  # of the first frame; whether others have another
        self.stamps = array("d")  # seconds

    def __enter__(self) -> "VideoFile":
        with ExitStack() as stack:
            self.messages = stack.enter_context(captured_messages())
            with verdicts(self.path):
                file = stack.enter_context(opened(self.path, self.decoding))
                self.container, self.stream = file
                self.header = header_of(*file)
            self.opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()

    def frames(self) -> Iterator[SourceFrame]:
        """All frames; RejectedVideo at the first that is damaged, or at the end if some lack."""
        with verdicts(self.path):
            for frame in self._decoded():
                stamp = float(frame.pts * frame.time_base) if frame.pts is not None else None
                self._note(frame, stamp)
                _require_silence(self.messages)
                yield SourceFrame(stamp, partial(self._stored, frame))
            self._require_whole()
            _require_silence(self.messages)

    def _decoded(self) -> Iterator[VideoFrame]:
        """Every frame of the stream; RejectedVideo at the first packet or frame marked corrupt."""
        packets = self.container.demux(self.stream)
        for packet in packets:
            self.discarded += packet.is_discard  # cut off by an edit list, still in the header
            if packet.is_corrupt:
                ends = not any(later.size for later in packets)
                claim = f"the header claims {self.stream.frames} frames, the file ends after"
                raise RejectedVideo(
                    f"{f'truncated: {claim}' if ends else 'damaged:'} frame {self.count}"
                )
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise RejectedVideo(f"frame {self.count} is damaged")
                yield frame

    def _note(self, frame: VideoFrame, stamp: float | None) -> None:
        """Compare a frame with the first, and count it."""
        size, matrix = (frame.width, frame.height), display_matrix(frame)
        if self.count == 0:
            self.size, self.matrix = size, matrix
        changed = matrix != self.matrix and orientation_of(matrix) != orientation_of(self.matrix)
        if changed and not self.change:
            self.change = f"changes at frame {self.count}: stored as the first"
        if size != self.size:
            raise RejectedVideo(f"frame size changes at frame {self.count}")
        self.count += 1
        if stamp is not None:
            self.stamps.append(stamp)

    def _stored(self, frame: VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
        """A frame at its stored size, turned as a player turns the first."""
        width, height = stored_size(*self.size, short_side=self.short_side)
        resized = self.reformatter.reformat(frame, width, height, format="rgb24", threads=1)
        return self._shown.upright(resized.to_ndarray()[None])[0]

    @cached_property
    def _shown(self) -> Orientation:
        return orientation_of(self.matrix)

    @property
    def orientation(self) -> Orientation:
        """How the file says to show its first frame, and what is not stored that way."""
        return replace(self._shown, fault=self._shown.fault or self.change)

    @property
    def fps_varies(self) -> bool:
        """Whether times between frames differ by more than rounding to ms; stamps lie."""
        gaps = np.diff(np.sort(np.array(self.stamps)))
        return bool(len(gaps) and np.ptp(gaps) > max(0.002, 0.1 * np.median(gaps)))

    @cached_property
    def sha256(self) -> str:
        """Of the file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _require_whole(self) -> None:
        """RejectedVideo unless so many frames, or so many seconds, decode as the header claims."""
        header, tolerance = self.header, self.decoding.frame_count_tolerance
        if self.count == 0:
            raise RejectedVideo("no frame")
        if header.claimed_frames - self.discarded - self.count > tolerance:
            raise RejectedVideo(
                f"truncated: the header claims {header.claimed_frames} frames, {self.count} decode"
            )
        if header.video_seconds and len(self.stamps):
            gaps = np.diff(np.sort(np.array(self.stamps)))
            gap = float(np.median(gaps)) if len(gaps) else 1 / (header.fps or 25)
            end = max(self.stamps) + gap
            if header.video_seconds - end > (tolerance + 1) * gap:
                raise RejectedVideo(
                    f"truncated: the header claims {header.video_seconds:.2f} seconds, frames end "
                    f"after {end:.2f}"
                )


@dataclass(frozen=True)
class DecodedVideo:
    """All frames of a video in memory, at their stored size, as a player shows them."""

    frames: UInt8[np.ndarray, "time height width 3"]
    header: Header
    width: int  # of the decoded frames, before resizing and turning
    height: int
    orientation: Orientation
    fps_varies: bool
    sha256: str


def decode_video(path: str | Path, decoding: Decoding, *, short_side: int) -> DecodedVideo:
    """Every frame of `path`, which must fit into memory; raises as `VideoFile` does."""
    with VideoFile(path, decoding, short_side=short_side) as video:
        frames = np.stack([frame.image for frame in video.frames()])
        return DecodedVideo(
            frames, video.header, *video.size, video.orientation, video.fps_varies, video.sha256
        )


def _require_silence(messages: list[tuple[int, str, str]]) -> None:
    if messages:
        _, name, text = messages[0]
        raise RejectedVideo(f"damaged, says {name}: {' '.join(text.split())}"[:200])


def stored_size(width: int, height: int, *, short_side: int) -> tuple[int, int]:
    """Width and height with the smaller of the two at `short_side`, in the same proportion."""
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))
