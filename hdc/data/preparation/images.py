"""Videos that are folders of numbered images: each is decoded in full, as every frame of a file is.

FFmpeg decodes them: of damaged JPEG files it accepts half as many as Pillow does. What it does not
tell is told here: a JPEG file that ends too early, and how EXIF says to show an image.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from av.codec import CodecContext
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8
from PIL import ExifTags, Image

from hdc.data.preparation.container import Header, RejectedVideo, captured_messages, verdicts
from hdc.data.preparation.decode import DecodedVideo, stored_size
from hdc.data.preparation.frame_source import FrameSource, SourceFrame
from hdc.data.preparation.orientation import Orientation
from hdc.data.preparation.source_files import image_number, images_of, sha256_of, sha256_of_all
from hdc.settings.data import Decoding, Images

CONTAINER = "images"  # in files.csv
_STARTS = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG\r\n\x1a\n": "png"}
_SCAN, _END = b"\xff\xda", b"\xff\xd9"  # JPEG: pixels follow; nothing does
# By EXIF's number: mirrored left to right, then turned counterclockwise by so many degrees.
_EXIF = {
    2: (True, 0), 3: (False, 180), 4: (True, 180), 5: (True, 90), 6: (False, -90), 7: (True, -90),
    8: (False, 90),
}  # fmt: skip


@dataclass(frozen=True)
class _Picture:
    """A decoded image."""

    frame: VideoFrame
    codec: str
    orientation: Orientation  # how it is to be shown
    sha256: str

    @property
    def size(self) -> tuple[int, int]:
        return self.frame.width, self.frame.height


class FolderOfImages(FrameSource):
    """The frames of a folder of images in the order of their numbers.

    A `hdc.data.preparation.frame_source`; entering it looks at the folder and at its first image.
    """

    fps_varies = False

    def __init__(
        self, path: str | Path, decoding: Decoding, images: Images, *, short_side: int
    ) -> None:
        self.path, self.decoding, self.images = Path(path), decoding, images
        self.short_side = short_side
        self.reformatter = VideoReformatter()

    def __enter__(self) -> "FolderOfImages":
        self.paths = _numbered(self.path)
        picture = _decoded(self.paths[0], self.decoding)
        self.size, self.orientation = picture.size, picture.orientation
        first, last = (image_number(self.paths[place].name) for place in (0, -1))
        self.header = Header(
            container=CONTAINER,
            codec=picture.codec,
            claimed_frames=last - first + 1,
            claimed_seconds=len(self.paths) / self.images.frames_per_second,
            video_seconds=0.0,
            fps=self.images.frames_per_second,
            width=self.size[0],
            height=self.size[1],
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays open."""

    def frames(self) -> Iterator[SourceFrame]:
        """All frames, as the first image is to be shown.

        RejectedVideo, which names the image, at the first that is damaged or of another size.
        """
        shown = self.orientation  # as the first says
        self.checksums: list[str] = []
        for number, path in enumerate(self.paths):
            picture = _decoded(path, self.decoding)
            if picture.size != self.size:
                raise RejectedVideo(
                    f"{path.name}: expected {_by(self.size)} pixels, as of the first image, "
                    f"found {_by(picture.size)}"
                )
            if picture.orientation != shown and not self.orientation.fault:
                fault = f"changes at frame {number}: stored as the first"
                self.orientation = replace(self.orientation, fault=fault)
            self.checksums.append(picture.sha256)
            stamp = number / self.images.frames_per_second
            yield SourceFrame(stamp, partial(self._stored, picture.frame, shown))

    def _stored(self, frame: VideoFrame, shown: Orientation) -> UInt8[np.ndarray, "height width 3"]:
        width, height = stored_size(*self.size, short_side=self.short_side)
        stored = self.reformatter.reformat(frame, width, height, format="rgb24", threads=1)
        return shown.upright(stored.to_ndarray()[None])[0]

    @property
    def sha256(self) -> str:
        """Of the content of all images."""
        if len(self.checksums) < len(self.paths):  # the last were not asked for
            return sha256_of(str(self.path))
        return sha256_of_all(self.checksums)


def decode_images(
    path: str | Path, decoding: Decoding, images: Images, *, short_side: int
) -> DecodedVideo:
    """All frames of a folder of images; as `hdc.data.preparation.decode.decode_video` of a file."""
    with FolderOfImages(path, decoding, images, short_side=short_side) as folder:
        frames = np.stack([frame.image for frame in folder.frames()])
        facts = (*folder.size, folder.orientation, folder.fps_varies, folder.sha256)
        return DecodedVideo(frames, folder.header, *facts)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _numbered(folder: Path) -> list[Path]:
    """The images of a folder in the order of their numbers, of which each has its own."""
    if not folder.is_dir():
        raise RejectedVideo("no such folder")
    paths = images_of(folder)
    if not paths:
        raise RejectedVideo("no image")
    numbers = [image_number(path.name) for path in paths]
    if numbers[0] < 0:
        raise RejectedVideo(f"{paths[0].name}: expected an image with a number in its name")
    for place, (number, after) in enumerate(pairwise(numbers)):
        if number == after:
            names = " and ".join(path.name for path in paths[place : place + 2])
            raise RejectedVideo(f"expected one image of each number, found {names}")
    return paths


def _decoded(path: Path, decoding: Decoding) -> _Picture:
    """An image; RejectedVideo, which names it, for one that is damaged."""
    try:
        with captured_messages() as messages, verdicts(path):
            content = path.read_bytes()
            codec = _codec(content)
            frame = _only_frame(content, codec, decoding)
            orientation = _orientation(content)
    except RejectedVideo as verdict:
        raise RejectedVideo(f"{path.name}: {verdict}") from verdict
    if messages:
        text = " ".join(messages[0][2].split())
        raise RejectedVideo(f"{path.name}: damaged, says {codec}: {text}"[:200])
    return _Picture(frame, codec, orientation, hashlib.sha256(content).hexdigest())


def _codec(content: bytes) -> str:
    """The name of what decodes an image; RejectedVideo for another kind or a JPEG without end."""
    for start, codec in _STARTS.items():
        if content.startswith(start):
            # Pixels hold neither of the two markers, and a preview has its own before them.
            if codec == "mjpeg" and content.rfind(_END) < content.rfind(_SCAN):
                raise RejectedVideo("truncated: the JPEG file has no end")
            return codec
    raise RejectedVideo("expected a JPEG or PNG image, found another content")


def _only_frame(content: bytes, codec: str, decoding: Decoding) -> VideoFrame:
    context = CodecContext.create(codec, "r")
    limit = str(decoding.frame_pixels)
    context.options = {"err_detect": "explode+crccheck", "max_pixels": limit}
    context.thread_type = "NONE"  # files are decoded side by side instead
    frames = [*context.decode(Packet(content)), *context.decode(None)]
    if len(frames) != 1 or frames[0].is_corrupt:
        raise RejectedVideo("damaged")
    return frames[0]


def _orientation(content: bytes) -> Orientation:
    """How EXIF says to show an image; PyAV cannot read it from the frame."""
    with Image.open(io.BytesIO(content), formats=["JPEG", "PNG"]) as image:
        number = image.getexif().get(ExifTags.Base.Orientation)
    return Orientation(*_EXIF.get(number, (False, 0)))
