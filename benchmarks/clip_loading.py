"""Clips a second out of the store against PyAV, decord and torchcodec on the original files.

Without files, generated ones of 340 x 256 pixels and genuine ones where HDC_REAL_DATA names them
(with `--quick` one generated file alone). decord and torchcodec are no dependencies:
`pip install decord torchcodec`, and FFmpeg's libraries for the latter; one that cannot be had is
left out, and why is said. All in one run and in turn, one worker and one thread each, warm cache. A
clip is a new uint8 array of 16 frames (time, height, width, channel) at the stored size from a
random start, and every reader opens its file anew for each, as a loader over many videos does. A
file of which a reader gives other frames than a plain decode of the whole, or none, is left out for
all, by name.

Prints clips/s by reader and last the medians' ratios, `raw_ratio <x> h264_ratio <y>`, each against
the best of those that are there.
"""

import os
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from omegaconf import OmegaConf
from parts.command_line import CommandLine, positive, video
from parts.originals import FRAMES, Reader, in_short, originals

from hdc.data import h264
from hdc.data.preparation.decode import RejectedVideo, decode_video
from hdc.data.store import ClipStore, write_manifest
from hdc.settings.compose import compose_run
from hdc.settings.data import Decoding

BESIDE = 2  # frames; how far beside a clip a reader's frames are looked for


def generate(folder: Path, *, files: int, frames: int = 300) -> list[Path]:
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


def fault(read: Reader, video: int, frames: np.ndarray) -> str:
    """What is wrong with a reader's clips of a file; empty if they are those of a plain decode.

    Resizing and compression differ between readers, so pixels may differ a little; but no frames
    beside may be nearer.
    """
    last = len(frames) - FRAMES - BESIDE
    for first in (0, last // 2, last):
        try:
            clip = read(video, first).astype(np.int16)
        except Exception as error:  # each package has its own
            return in_short(error)
        if clip.shape != (FRAMES, *frames.shape[1:]):
            return f"clips of shape {clip.shape}"
        shifts = range(max(-BESIDE, -first), BESIDE + 1)
        errors = [np.abs(clip - frames[first + shift :][:FRAMES]).mean() for shift in shifts]
        if errors[shifts.index(0)] > min(8.0, 1.02 * min(errors) + 0.1):
            return "other frames"
    return ""


def all_agree(everyone: dict[str, Reader], video: int, frames: np.ndarray, path: Path) -> bool:
    """Whether every reader gives a file's frames; says who does not."""
    faults = {reader: fault(read, video, frames) for reader, read in everyone.items()}
    faults = {reader: text for reader, text in faults.items() if text}
    for reader, text in faults.items():
        print(f"{path.name}: left out: {reader}: {text}", flush=True)
    assert not {"raw", "h264"} & set(faults), "the store itself gives other frames"
    return not faults


def clips_per_second(
    read: Reader, lengths: dict[int, int], random: np.random.Generator, seconds: float
) -> float:
    """Clips of random videos, `lengths` in frames, and starts in about so many seconds."""
    started, count = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        video = list(lengths)[int(random.integers(len(lengths)))]
        read(video, int(random.integers(lengths[video] - FRAMES + 1)))
        count += 1
    return count / (time.monotonic() - started)


def decoded(paths: list[Path], decoding: Decoding, short_side: int) -> dict[Path, np.ndarray]:
    """The frames of the files that can be decoded and are long enough; says which are not."""
    videos = {}
    for path in paths:
        try:
            frames = decode_video(path, decoding, short_side=short_side).frames
        except RejectedVideo as reason:
            print(f"{path.name}: left out: {reason}", flush=True)
            continue
        if len(frames) >= FRAMES + BESIDE:
            videos[path] = frames
        else:
            print(f"{path.name}: left out: {len(frames)} frames are too few", flush=True)
    return videos


def measured(
    everyone: dict[str, Reader], lengths: dict[int, int], rounds: int, seconds: float
) -> dict[str, float]:
    """Every reader's clips a second, the median over rounds in which they take turns."""
    speeds: dict[str, list[float]] = {reader: [] for reader in everyone}
    for turn in range(rounds):
        for reader, read in everyone.items():
            random = np.random.default_rng(turn)
            speeds[reader].append(clips_per_second(read, lengths, random, seconds))
    return {reader: statistics.median(rates) for reader, rates in speeds.items()}


def main(paths: list[Path], *, rounds: int, seconds: float) -> str:
    """Compare the readers on some files; returns the last line."""
    settings = OmegaConf.to_object(
        compose_run("hdc", backbone="r3d18", data="kinetics400", scale="paper")
    )
    settings.decoding.containers = ["avi", "mov"]
    settings.decoding.codecs = ["mpeg4", "h264"]
    side = settings.store.short_side
    files = decoded(paths, settings.decoding, side)
    if not files:
        raise SystemExit("error: no file is left to read clips from")
    paths, videos = list(files), list(files.values())
    with tempfile.TemporaryDirectory() as name:
        stores = {
            form: store_of(Path(name), videos, form, settings.store) for form in ("raw", "h264")
        }
        everyone = stores | originals(paths, side)
        lengths = {
            number: len(frames)
            for number, (path, frames) in enumerate(files.items())
            if all_agree(everyone, number, frames, path)
        }
        if not lengths:
            raise SystemExit("error: no file is left of which all readers give the same frames")
        medians = measured(everyone, lengths, rounds, seconds)
    for reader, median in medians.items():
        print(f"{reader}: {median:.1f} clips/s", flush=True)
    best = max(median for reader, median in medians.items() if reader not in stores)
    return f"raw_ratio {medians['raw'] / best:.1f} h264_ratio {medians['h264'] / best:.2f}"


if __name__ == "__main__":
    command_line = CommandLine(__doc__)
    command_line.size("rounds", "turns of each reader", full=7, quick=2)
    command_line.size("seconds", "of a turn", full=2.0, quick=0.1, kind=positive)
    command_line.add_argument("files", nargs="*", type=video, metavar="FILE", help="a video")
    given = command_line.read()
    with tempfile.TemporaryDirectory() as name:
        files = given.files or generate(Path(name), files=1 if given.quick else 4)
        if not given.files and not given.quick:
            files += genuine()
        print(main(files, rounds=given.rounds, seconds=given.seconds))
