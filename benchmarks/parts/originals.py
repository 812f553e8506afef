"""Readers of clips from original video files, with which `clip_loading.py` compares the store."""

import textwrap
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from hdc.data.preparation.decode import stored_size

FRAMES = 16  # of a clip
Reader = Callable[[int, int], np.ndarray]  # video, first frame -> clip


def originals(paths: list[Path], short_side: int) -> dict[str, Reader]:
    """The readers of original files that can be had; says why another cannot."""
    readers = {f"pyav {version('av')}": pyav(paths, short_side)}
    for make in (decord, torchcodec):
        name = make.__name__
        try:
            read = make(paths, short_side)
            read(0, 0)  # torchcodec looks for FFmpeg's libraries only now
            readers[f"{name} {version(name)}"] = read
        except Exception as error:  # whatever keeps a package that is not ours from working
            print(f"{name}: left out: {in_short(error)}", flush=True)
    return readers


def in_short(error: Exception) -> str:
    """What an error says, in one line."""
    return textwrap.shorten(str(error) or type(error).__name__, 160, placeholder=" ...")


def pyav(paths: list[Path], short_side: int) -> Reader:
    """PyAV as a loader uses it: seek to the key frame before the clip, decode on."""

    def read(video: int, first: int) -> np.ndarray:
        with av.open(str(paths[video]), metadata_errors="ignore") as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            reformatter, images = VideoReformatter(), []
            # By count from the start: in AVI, timestamps tell no frame's number.
            seekable = stream.codec_context.name == "h264"
            number = 0
            if seekable:
                step = 1 / (stream.average_rate * stream.time_base)
                start = stream.start_time or 0
                container.seek(int(start + first * step), stream=stream)
                number = None
            for frame in container.decode(stream):
                if number is None:
                    number = round((frame.pts - start) / step)
                if number >= first:
                    width, height = stored_size(frame.width, frame.height, short_side=short_side)
                    image = reformatter.reformat(frame, width, height, format="rgb24", threads=1)
                    images.append(image.to_ndarray())
                number += 1
                if len(images) == FRAMES:
                    break
            return np.stack(images)

    return read


def decord(paths: list[Path], short_side: int) -> Reader:
    """decord, which resizes while it decodes."""
    import decord as library

    sizes = [_size(path, short_side) for path in paths]

    def read(video: int, first: int) -> np.ndarray:
        width, height = sizes[video]
        reader = library.VideoReader(str(paths[video]), width=width, height=height, num_threads=1)
        return reader.get_batch(range(first, first + FRAMES)).asnumpy()

    return read


def torchcodec(paths: list[Path], short_side: int) -> Reader:
    """torchcodec, seeking approximately, which spares it a scan of the file; then a resize."""
    import torch
    from torchcodec.decoders import VideoDecoder
    from torchvision.transforms.v2 import Resize

    torch.set_num_threads(1)
    sizes = [_size(path, short_side) for path in paths]

    def read(video: int, first: int) -> np.ndarray:
        width, height = sizes[video]
        decoder = VideoDecoder(
            paths[video],
            seek_mode="approximate",
            num_ffmpeg_threads=1,
            transforms=[Resize((height, width))],
        )
        clip = decoder[first : first + FRAMES]
        return clip.permute(0, 2, 3, 1).contiguous().numpy()

    return read


def _size(path: Path, short_side: int) -> tuple[int, int]:
    with av.open(str(path), metadata_errors="ignore") as container:
        context = container.streams.video[0].codec_context
        return stored_size(context.width, context.height, short_side=short_side)
