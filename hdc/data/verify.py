"""Decodes a video in full and says what is wrong with it."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8


class RejectedVideo(Exception):  # noqa: N818  (a verdict about a file, no error of the program)
    """A file that cannot be used; the text is the reason, for `rejected.csv`."""


@dataclass(frozen=True)
class DecodedVideo:
    """All frames of a video at their stored size, and what the index says about the file."""

    frames: UInt8[np.ndarray, "time height width 3"]
    fps: float | None  # as the container states it; None if it does not
    width: int  # of the file, before resizing
    height: int
    sha256: str

    @property
    def seconds(self) -> float | None:
        """Duration by counted frames."""
        return len(self.frames) / self.fps if self.fps else None


def decode_video(path: str | Path, *, short_side: int, frame_count_tolerance: int) -> DecodedVideo:
    """Decode every frame of `path`, in decode order, resized so that its short side fits.

    The order is the decoder's, never that of the timestamps: in AVI files with B-frames those are
    permuted, and sorting by them scrambles time. `frame_count_tolerance` is how many frames more
    than decoded the header may claim; genuine files claim one or two too many.
    Raises RejectedVideo with the reason.
    """
    path = Path(path)
    if not path.is_file() or path.stat().st_size == 0:
        raise RejectedVideo("empty file" if path.is_file() else "no such file")
    try:
        frames, stream = _decode(path, short_side)
    except RejectedVideo:
        raise
    except Exception as error:
        # Not only FFmpegError: damage also raises IndexError, MemoryError, UnicodeDecodeError.
        logging.debug("%s", path, exc_info=True)
        raise RejectedVideo(f"cannot be decoded: {_one_line(error)}") from error
    missing = stream["claimed"] - len(frames)
    if missing > frame_count_tolerance:
        raise RejectedVideo(
            f"truncated: the header claims {stream['claimed']} frames, {len(frames)} decode"
        )
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return DecodedVideo(
        frames=np.stack(frames),
        fps=stream["fps"],
        width=stream["width"],
        height=stream["height"],
        sha256=sha256,
    )


def _decode(path: Path, short_side: int) -> tuple[list[np.ndarray], dict]:
    """Frames as RGB arrays (height, width, 3), and what the stream says about itself."""
    # metadata_errors: a genuine HMDB51 file has a title that is not UTF-8, and is sound.
    options = {"err_detect": "explode"}
    with av.open(str(path), metadata_errors="ignore", options=options) as container:
        if not container.streams.video:
            raise RejectedVideo("no video stream")
        stream = container.streams.video[0]
        stream.codec_context.options = options
        reformatter = VideoReformatter()
        frames, size = [], None
        for frame in container.decode(stream):
            size = size or (frame.width, frame.height)
            if (frame.width, frame.height) != size:
                raise RejectedVideo(f"frame size changes at frame {len(frames)}")
            if frame.is_corrupt:
                raise RejectedVideo(f"frame {len(frames)} is damaged")
            width, height = stored_size(*size, short_side=short_side)
            resized = reformatter.reformat(frame, width, height, format="rgb24", threads=1)
            frames.append(resized.to_ndarray())
        if not frames:
            raise RejectedVideo("no frame")
        rate = stream.average_rate
        return frames, {
            "claimed": stream.frames,
            "fps": float(rate) if rate else None,
            "width": size[0],
            "height": size[1],
        }


def stored_size(width: int, height: int, *, short_side: int) -> tuple[int, int]:
    """Width and height with the smaller of the two at `short_side`, in the same proportion."""
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:200]
