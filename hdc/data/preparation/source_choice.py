"""Which source the frames of a video come from: chosen here by what its file is."""

from pathlib import Path

from hdc.data.preparation.decode import VideoFile
from hdc.data.preparation.frame_source import FrameSource
from hdc.settings.data import Decoding, Images

_START = 12  # bytes


def frame_source(
    path: str | Path, decoding: Decoding, images: Images | None = None, *, short_side: int
) -> FrameSource:
    """What reads the frames of `path`, resized so that their short side fits.

    `images`: it is a folder of images.
    """
    if images is not None:
        from hdc.data.preparation.images import FolderOfImages

        return FolderOfImages(path, decoding, images, short_side=short_side)
    if _is_webp(path):  # FFmpeg knows only single pictures
        from hdc.data.preparation.animated_webp import AnimatedWebp

        return AnimatedWebp(path, decoding, short_side=short_side)
    return VideoFile(path, decoding, short_side=short_side)


def _is_webp(path: str | Path) -> bool:
    if not Path(path).is_file():
        return False
    with Path(path).open("rb") as file:
        start = file.read(_START)
    return start[:4] == b"RIFF" and start[8:] == b"WEBP"
