"""Animated WebP, which FFmpeg does not decode: by Pillow."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from hdc.data.preparation.container import Header, RejectedVideo, verdicts
from hdc.data.preparation.decode import stored_size
from hdc.data.preparation.frame_source import FrameSource, SourceFrame
from hdc.data.preparation.orientation import Orientation
from hdc.settings.data import Decoding

NAME = "webp"
_START = 12  # bytes: RIFF, the size of what follows, WEBP


class AnimatedWebp(FrameSource):
    """The frames of an animated WebP (`hdc.data.preparation.frame_source`)."""

    orientation = Orientation(mirrored=False, rotation=0)

    def __init__(self, path: str | Path, decoding: Decoding, *, short_side: int) -> None:
        self.path, self.decoding, self.short_side = Path(path), decoding, short_side

    def __enter__(self) -> "AnimatedWebp":
        for kind, allowed in (
            ("container", self.decoding.all_containers),
            ("codec", self.decoding.all_codecs),
        ):
            if NAME not in allowed:
                expected = f"expected a {kind} of {', '.join(allowed)}, found {NAME}"
                raise RejectedVideo(f"{expected}: to allow it, add {NAME} to decoding.{kind}s")
        with verdicts(self.path), ExitStack() as stack:
            self.durations = _durations(self.path)
            self.file = stack.enter_context(Image.open(self.path, formats=["WEBP"]))
            self.size = self.file.size
            if self.size[0] * self.size[1] > self.decoding.frame_pixels:
                most = f"expected at most {self.decoding.frame_pixels} pixels a frame"
                raise RejectedVideo(f"{most}, found {self.size[0]} x {self.size[1]}")
            self.header = self._header()
            self.opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()

    def frames(self) -> Iterator[SourceFrame]:
        """All frames, whole pictures; RejectedVideo at the first that is damaged."""
        with verdicts(self.path):
            for number, stamp in enumerate(np.cumsum([0.0, *self.durations[:-1]]).tolist()):
                self.file.seek(number)
                yield SourceFrame(stamp, partial(self._stored, self.file.convert("RGB")))

    def _stored(self, picture: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
        size = stored_size(*self.size, short_side=self.short_side)
        return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))

    @property
    def fps_varies(self) -> bool:
        """Whether frames are shown for different times."""
        return len(set(self.durations[:-1])) > 1

    @property
    def sha256(self) -> str:
        """Of the file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _header(self) -> Header:
        """What the file says."""
        count, seconds = len(self.durations), sum(self.durations)
        return Header(
            container=NAME,
            codec=NAME,
            claimed_frames=count,
            claimed_seconds=seconds,
            video_seconds=seconds,
            fps=count / seconds if seconds else None,
            width=self.size[0],
            height=self.size[1],
            start=0.0,
        )


def _durations(path: Path) -> list[float]:
    """How many seconds each frame is shown, of a file that has at least two.

    After the first 12 bytes come chunks: name, size and content, padded to even sizes; one a frame.
    RejectedVideo for a file that is shorter than its first bytes say, or a still picture.
    """
    found = []
    with path.open("rb") as file:
        claimed = int.from_bytes(file.read(_START)[4:8], "little") + 8
        size = path.stat().st_size
        if size < claimed:
            raise RejectedVideo(f"truncated: the header claims {claimed} bytes, found {size}")
        while len(start := file.read(8)) == 8 and file.tell() <= claimed:
            length = int.from_bytes(start[4:], "little")
            content = file.read(min(length, 16))
            if start[:4] == b"ANMF":  # the fifth number of three bytes
                found.append(int.from_bytes(content[12:15], "little") / 1000)
            file.seek(length + length % 2 - len(content), 1)
    if len(found) < 2:
        raise RejectedVideo("a still picture, not a video")
    return found
