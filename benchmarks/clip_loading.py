"""Clips a second out of the store against PyAV, decord and torchcodec on the original files.

`python benchmarks/clip_loading.py [FILE ...]`; without files, generated ones of 340 x 256 pixels
and genuine ones where HDC_REAL_DATA names them. decord and torchcodec are no dependencies:
`pip install decord torchcodec`, and FFmpeg's libraries for the latter; one that is not there is
left out, by name. All in one run and in turn, one worker and one thread each, warm cache. A clip is
a new uint8 array of 16 frames (time, height, width, channel) at the stored size from a random
start, and every reader opens its file anew for each, as a loader over many videos does. A file of
which a reader gives other frames than a plain decode of the whole is left out for all, by name.

Prints clips/s by reader and last the medians' ratios, `raw_ratio <x> h264_ratio <y>`, each against
the best of the three.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from omegaconf import OmegaConf

from hdc.config import compose_run
from hdc.data import h264
from hdc.data.store import ClipStore, write_manifest
from hdc.data.verify import decode_video, stored_size

FRAMES, ROUNDS, SECONDS = 16, 7, 2.0
Reader = Callable[[int, int], np.ndarray]  # video, first frame -> clip


def generate(folder: Path, *, files: int = 4, frames: int = 300) -> list[Path]:
    """Videos like those of Kinetics-400: H.264 in MP4, 340 x 256, ten seconds."""
    paths = []
    for number in range(files):
        random = np.random.default_rng(number)
        # Gray with a touch of color: 4:2:0 would blur loud colors in every reader alike.
        picture = random.integers(40, 200, (256 // 8, 344 // 8, 1))
        picture = picture + random.integers(0, 20, (*picture.shape[:2], 3))
        picture = picture.repeat(8, 0).repeat(8, 1)[:, :340]
        paths.append(folder / f"{number}.mp4")
        with av.open(str(paths[-1]), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(30))
            stream.width, stream.height, stream.pix_fmt = 340, 256, "yuv420p"
            for step in range(frames):
                image = np.roll(picture, (step, 2 * step), axis=(0, 1))
                image = (image + random.integers(-4, 5, image.shape)).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    return paths


def genuine() -> list[Path]:
    """Genuine clips whose frames are 320 x 240 or larger."""
    folder = Path(os.environ.get("HDC_REAL_DATA", "nowhere"))
    return sorted(path for path in folder.glob("clips/*/*/*") if path.is_file())


def store_of(folder: Path, videos: list[np.ndarray], form: str, settings: object) -> Reader:
    """The store, in one of its forms."""
    packed = [v.tobytes() if form == "raw" else h264.pack(v, settings) for v in videos]
    offsets = np.cumsum([0, *map(len, packed)]).tolist()
    (folder / f"{form}.bin").write_bytes(b"".join(packed))
    (folder / form).mkdir()
    (folder / f"{form}.bin").rename(folder / form / "0.bin")
    write_manifest(
        folder / form,
        form=form,
        short_side=settings.short_side,
        key_frame_every=settings.key_frame_every,
        shards=[{"file": "0.bin", "bytes": offsets[-1]}],
        videos=[
            {"video": str(n), "shard": 0, "offset": o, "bytes": len(p), "shape": v.shape[:3]}
            for n, (o, p, v) in enumerate(zip(offsets, packed, videos, strict=False))
        ],
    )
    store = ClipStore(folder / form)
    return lambda video, first: store.clip(video, np.arange(first, first + FRAMES))


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


def agrees(read: Reader, video: int, frames: np.ndarray) -> bool:
    """Whether a reader gives the frames of a plain decode: none nearer to those beside.

    Resizing and compression differ between readers, so pixels may differ a little.
    """
    for first in (0, len(frames) // 2, len(frames) - FRAMES - 2):
        clip = read(video, first).astype(np.int16)
        if clip.shape != (FRAMES, *frames.shape[1:]):
            return False
        shifts = range(max(-2, -first), 3)
        errors = [np.abs(clip - frames[first + shift :][:FRAMES]).mean() for shift in shifts]
        if errors[shifts.index(0)] > min(8.0, 1.02 * min(errors) + 0.1):
            return False
    return True


def all_agree(everyone: dict[str, Reader], video: int, frames: np.ndarray, path: Path) -> bool:
    """Whether every reader gives a file's frames; says who does not."""
    wrong = [reader for reader, read in everyone.items() if not agrees(read, video, frames)]
    if wrong:
        print(f"{path.name}: left out: other frames by {', '.join(wrong)}", flush=True)
    assert not {"raw", "h264"} & set(wrong)
    return not wrong


def clips_per_second(
    read: Reader, videos: list[np.ndarray], kept: list[int], random: np.random.Generator
) -> float:
    """Clips of random videos and starts in about two seconds."""
    started, count = time.monotonic(), 0
    while time.monotonic() - started < SECONDS:
        video = kept[int(random.integers(len(kept)))]
        read(video, int(random.integers(len(videos[video]) - FRAMES + 1)))
        count += 1
    return count / (time.monotonic() - started)


def readers(paths: list[Path], short_side: int) -> dict[str, Reader]:
    """The readers of original files that are installed."""
    found = {}
    for make, package in ((pyav, "av"), (decord, "decord"), (torchcodec, "torchcodec")):
        try:
            found[f"{make.__name__} {version(package)}"] = make(paths, short_side)
        except (ImportError, RuntimeError, OSError) as error:
            print(f"{make.__name__}: left out: {str(error).splitlines()[0]}")
    return found


def main(paths: list[Path]) -> str:
    """Time every reader in turn, several rounds; returns the last line."""
    settings = OmegaConf.to_object(
        compose_run("hdc", backbone="r3d18", data="kinetics400", scale="paper")
    )
    settings.decoding.containers = ["avi", "mov"]
    settings.decoding.codecs = ["mpeg4", "h264"]
    side = settings.store.short_side
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = paths or [*generate(folder), *genuine()]
        videos = [decode_video(path, settings.decoding, short_side=side).frames for path in paths]
        stores = {form: store_of(folder, videos, form, settings.store) for form in ("raw", "h264")}
        everyone = stores | readers(paths, side)
        kept = [n for n, path in enumerate(paths) if all_agree(everyone, n, videos[n], path)]
        speeds: dict[str, list[float]] = {reader: [] for reader in everyone}
        for turn in range(ROUNDS):
            for reader, read in everyone.items():
                random = np.random.default_rng(turn)
                speeds[reader].append(clips_per_second(read, videos, kept, random))
    medians = {reader: statistics.median(found) for reader, found in speeds.items()}
    for reader, median in medians.items():
        print(f"{reader}: {median:.1f} clips/s", flush=True)
    best = max(median for reader, median in medians.items() if reader not in stores)
    return f"raw_ratio {medians['raw'] / best:.1f} h264_ratio {medians['h264'] / best:.2f}"


if __name__ == "__main__":
    print(main([Path(word) for word in sys.argv[1:]]))
