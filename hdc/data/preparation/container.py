"""Opens a video and says what its file claims to be, before a frame is decoded."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.format import ContainerFormat
from av.video.stream import VideoStream

from hdc.settings.data import Decoding

EXPLODE = {"err_detect": "explode"}


class RejectedVideo(Exception):  # noqa: N818  (a verdict about a file, no error of the program)
    """A file that cannot be used; the text is the reason, for `rejected.csv`."""


@dataclass(frozen=True)
class Header:
    """What a file says about itself before a frame is decoded."""

    container: str
    codec: str
    claimed_frames: int  # 0: it does not say; without those that it says to skip
    claimed_seconds: float  # 0: it does not say; of the longest stream
    video_seconds: float  # 0: it does not say; where the video ends
    fps: float | None  # as the container states it; None if it does not
    width: int
    height: int


def read_header(path: str | Path, decoding: Decoding) -> Header:
    """What a file says about itself. Raises RejectedVideo with the reason."""
    with verdicts(path), opened(path, decoding) as (container, stream):
        return header_of(container, stream)


class verdicts:  # noqa: N801  (a context manager, used like a function)
    """Turns whatever goes wrong with a file into RejectedVideo, with FFmpeg's error messages.

    Except MemoryError: the limit, and who sets it, is known elsewhere.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __enter__(self) -> list[tuple[int, str, str]]:
        if not self.path.is_file() or self.path.stat().st_size == 0:
            raise RejectedVideo("empty file" if self.path.is_file() else "no such file")
        av.logging.set_level(av.logging.ERROR)
        # Not only of this thread: FFmpeg may report from its own.
        self.capture = av.logging.Capture(local=False)
        return self.capture.__enter__()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        self.capture.__exit__(kind, error, trace)
        if not isinstance(error, Exception) or isinstance(error, RejectedVideo | MemoryError):
            return
        # All of them: damage raises IndexError, UnicodeDecodeError and others.
        logging.debug("%s", self.path, exc_info=error)
        raise RejectedVideo(f"cannot be decoded: {_one_line(error)}") from error


class opened:  # noqa: N801  (likewise)
    """A container and its video stream, if both are of a kind that the data need."""

    def __init__(self, path: str | Path, decoding: Decoding) -> None:
        self.path, self.decoding = Path(path), decoding

    def __enter__(self) -> tuple[InputContainer, VideoStream]:
        try:
            # metadata_errors: a genuine HMDB51 file has a title that is not UTF-8, and is sound.
            self.container = av.open(
                str(self.path),
                metadata_errors="ignore",
                options=EXPLODE | {"format_whitelist": ",".join(self.decoding.containers)},
            )
        except ValueError as error:  # InvalidDataError is a ValueError
            raise RejectedVideo(_why_closed(error, self.decoding)) from error
        try:
            return self.container, self._stream()
        except BaseException:
            self.container.close()
            raise

    def _stream(self) -> VideoStream:
        stream = self.container.streams.best("video")  # not a cover, which may come first
        if stream is None:
            raise RejectedVideo("no video stream")
        context = stream.codec_context
        if context is None:
            raise RejectedVideo("no decoder for its video stream")
        # codec_whitelist does not restrict decoding, so the name is checked before the first frame.
        name = context.codec.canonical_name
        if name not in self.decoding.codecs:
            codecs = ", ".join(self.decoding.codecs)
            remedy = f"to allow it, add {name} to decoding.codecs"
            raise RejectedVideo(f"expected a codec of {codecs}, found {name}: {remedy}")
        context.options = EXPLODE | {"max_pixels": str(self.decoding.frame_pixels)}
        context.thread_type = "NONE"  # files are decoded side by side instead
        return stream

    def __exit__(self, *_: object) -> None:
        self.container.close()


def _why_closed(error: ValueError, decoding: Decoding) -> str:
    """Why FFmpeg refuses to open a file; only its log tells which container it has found."""
    log = getattr(error, "log", None)
    if log is None and isinstance(error, av.error.InvalidDataError):
        reason = "no container that FFmpeg knows, so no setting allows it"
    elif log is None or not log[2].startswith("Format not on whitelist"):
        reason = _one_line(error)
    else:
        name = log[1].split(",")[0]  # a demuxer has several names, any will do
        container = f"{name}, {ContainerFormat(name, 'r').long_name}"
        expected = f"expected a container of {', '.join(decoding.containers)}, found {container}"
        return f"{expected}: to allow it, add {name} to decoding.containers"
    return f"cannot be opened as {','.join(decoding.containers)}: {reason}"


def header_of(container: InputContainer, stream: VideoStream) -> Header:
    """What an opened file says about itself."""
    duration = container.duration
    rate = stream.average_rate
    return Header(
        container=container.format.name,
        codec=stream.codec_context.codec.canonical_name,
        claimed_frames=_claimed_frames(container, stream),
        claimed_seconds=max(0.0, duration / av.time_base) if duration else 0.0,
        video_seconds=_video_seconds(container, stream),
        fps=float(rate) if rate else None,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
    )


def _claimed_frames(container: InputContainer, stream: VideoStream) -> int:
    """Frames that should decode: of an AVI whose index is there, those that it does not skip.

    Capture programs skip frames by empty chunks, which the header counts and the index does not
    hold. A truncated file has lost its index, which stands at the end.
    """
    entries = stream.index_entries
    if container.format.name == "avi" and len(entries):
        return len(entries) if entries[-1].timestamp + 1 >= stream.frames else stream.frames
    return stream.frames


def _video_seconds(container: InputContainer, stream: VideoStream) -> float:
    """Where a Matroska file, whose header counts no frames, says that its video ends."""
    if "matroska" not in container.format.name:
        return 0.0
    match = re.fullmatch(r"(\d+):(\d+):(\d+\.\d+)", stream.metadata.get("DURATION", ""))
    if match is not None:
        hours, minutes, seconds = map(float, match.groups())
        return 3600 * hours + 60 * minutes + seconds
    # The file's own duration is that of its longest stream.
    alone = len(container.streams) == 1 and container.duration
    return container.duration / av.time_base if alone else 0.0


def _one_line(error: BaseException) -> str:
    text = " ".join((getattr(error, "strerror", None) or str(error)).split())
    return f"{type(error).__name__}: {text}"[:200]
