"""Opens a video and says what its file claims to be, before a frame is decoded."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.format import ContainerFormat
from av.video.stream import VideoStream

from hdc.settings.data import Decoding

EXPLODE = {"err_detect": "explode"}
EXPECTED_KIND = re.compile("expected a (container|codec) of ")  # how such a reason begins
_CLAIM_LENGTH = ("avi", "mov", "matroska")  # their headers say how long the whole is
_NO_STAMPS = ("h264", "hevc")  # bare streams, as recorders write them
_RATES = (1 / 60, 1000.0)  # frames a second that are believed


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
    fps: float | None  # as the file states it; None if it does not
    width: int
    height: int
    truncation_told: bool = True  # whether the header claims a length that a cut file lacks
    start: float | None = None  # seconds; the time stamp at which it begins; None: no stamps


def read_header(path: str | Path, decoding: Decoding) -> Header:
    """What a file says about itself. Raises RejectedVideo with the reason."""
    with captured_messages(), verdicts(path), opened(path, decoding) as (container, stream):
        return header_of(container, stream)


@contextmanager
def captured_messages() -> Iterator[list[tuple[int, str, str]]]:
    """What FFmpeg says at error level meanwhile: level, who says it, text."""
    av.logging.set_level(av.logging.ERROR)
    # Not only of this thread: FFmpeg may report from its own.
    with av.logging.Capture(local=False) as messages:
        yield messages


@contextmanager
def verdicts(path: str | Path) -> Iterator[None]:
    """Turns whatever goes wrong with a file into RejectedVideo.

    Except MemoryError: the limit, and who sets it, is known elsewhere.
    """
    path = Path(path)
    if not path.is_file() or path.stat().st_size == 0:
        raise RejectedVideo("empty file" if path.is_file() else "no such file")
    try:
        yield
    except (RejectedVideo, MemoryError):
        raise
    # All of them: damage raises IndexError, UnicodeDecodeError and others.
    except Exception as error:
        logging.debug("%s", path, exc_info=error)
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
                options=EXPLODE | {"format_whitelist": ",".join(self.decoding.all_containers)},
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
        if name not in self.decoding.all_codecs:
            codecs = ", ".join(self.decoding.all_codecs)
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
        expected = f"expected a container of {', '.join(decoding.all_containers)}"
        return f"{expected}, found {container}: to allow it, add {name} to decoding.containers"
    return f"cannot be opened as {','.join(decoding.all_containers)}: {reason}"


def is_allowed(container: str, codec: str, decoding: Decoding) -> bool:
    """Whether files of a kind, as a header names it, are taken."""
    names = set(container.split(","))  # a demuxer has several, any will do
    return bool(names & set(decoding.all_containers)) and codec in decoding.all_codecs


def header_of(container: InputContainer, stream: VideoStream) -> Header:
    """What an opened file says about itself."""
    duration, start = container.duration, container.start_time
    frames, seconds = _claimed_frames(container, stream), _video_seconds(container, stream)
    claims = any(name in container.format.name for name in _CLAIM_LENGTH)
    return Header(
        container=container.format.name,
        codec=stream.codec_context.codec.canonical_name,
        claimed_frames=frames,
        claimed_seconds=max(0.0, duration / av.time_base) if duration else 0.0,
        video_seconds=seconds,
        fps=_rate(container, stream),
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        truncation_told=claims and (frames > 0 or seconds > 0),
        start=None if start is None else start / av.time_base,
    )


def _rate(container: InputContainer, stream: VideoStream) -> float | None:
    """Frames a second, as far as a file tells; of a bare stream FFmpeg would assume 25."""
    if container.format.name in _NO_STAMPS:
        rates = [stream.codec_context.framerate]
    else:  # the average of DV is that of its clock, Ogg has none
        rates = [stream.average_rate, stream.guessed_rate]
    believed = [float(rate) for rate in rates if rate and _RATES[0] <= rate <= _RATES[1]]
    return believed[0] if believed else None


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
