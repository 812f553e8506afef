"""Video files that give back exactly the pixels that were put in."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from hdc.runtime.atomic_files import open_atomically


def write_video(path: str | Path, clip: np.ndarray, *, frames_per_second: int) -> None:
    """Write a clip without loss, as FFV1 in Matroska: the same bytes each time.

    The file appears whole or not at all. Its folder is made where it is missing.

    Args:
        path: of the file.
        clip: red, green and blue, (frame, height, width, 3), uint8.
        frames_per_second: of the video.
    """
    with open_atomically(path) as file:
        _encode(file, clip, frames_per_second)


def _encode(file: BinaryIO, clip: np.ndarray, frames_per_second: int) -> None:
    import av

    # A key frame distance of 1: the bytes of a frame depend on no other frame.
    options = {"level": "3", "g": "1", "flags": "+bitexact"}
    # Without bitexact, a Matroska file carries a random number.
    container_options = {"fflags": "+bitexact"}
    with av.open(file, "w", format="matroska", container_options=container_options) as container:
        stream = container.add_stream("ffv1", rate=frames_per_second, options=options)
        # Of the formats that FFV1 takes, this one keeps red, green and blue as they are.
        stream.pix_fmt = "bgr0"
        stream.height, stream.width = clip.shape[1:3]
        stream.codec_context.thread_count = 1
        for pixels in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
