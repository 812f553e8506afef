"""How long preparing a video takes, against decoding and resizing it in this process; and memory.

On generated files like those of Kinetics-400 (340 x 256 pixels, 30 frames a second), one child, one
thread, in turn: from the file to checked frames that could be stored, as raw frames and as H.264.
Then the most memory that the child takes for a video, and for one that is many times as long.

Prints frames/s of each and last `raw_ratio <x> h264_ratio <y> memory_ratio <z>`: the medians of the
time that a plain decode takes by that of preparing, and the long video's memory by the short one's.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter
from clip_loading import generate
from omegaconf import OmegaConf
from parts.command_line import CommandLine

from hdc.data.preparation.decode import stored_size
from hdc.data.preparation.sandbox import Decoder
from hdc.settings.compose import compose_run


def plain(path: Path, short_side: int) -> None:
    """Decode a file and resize its frames, and keep them."""
    reformatter, frames = VideoReformatter(), []
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_type = "NONE"
        for frame in container.decode(video=0):
            width, height = stored_size(frame.width, frame.height, short_side=short_side)
            stored = reformatter.reformat(frame, width, height, format="rgb24", threads=1)
            frames.append(stored.to_ndarray())


def pack(decoder: Decoder, path: Path) -> None:
    """Prepare a file up to the bytes that are stored."""
    packed = decoder.pack(path)
    for piece in packed.pieces:
        for _ in packed.parts(piece):
            pass
    packed.close()


def seconds_of(work: Callable[[Path], None], paths: list[Path]) -> float:
    started = time.monotonic()
    for path in paths:
        work(path)
    return time.monotonic() - started


def peak_mib(decoder: Decoder, path: Path) -> float:
    """The most memory that a new child has taken, after a file."""
    pack(decoder, path)
    status = Path(f"/proc/{decoder.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def main(folder: Path, *, files: int, rounds: int, times: int) -> str:
    """Prepare and decode in turn; returns the last line."""
    run = compose_run("hdc", backbone="r3d18", data="weizmann", scale="demo")
    decoding, store = (OmegaConf.to_object(run[name]) for name in ("decoding", "store"))
    frames = 300 if rounds > 1 else 30
    paths = generate(folder, files=files, frames=frames)
    with Decoder(decoding, store, "raw") as raw, Decoder(decoding, store, "h264") as h264:
        ways = {
            "plain": lambda path: plain(path, store.short_side),
            "raw": lambda path: pack(raw, path),
            "h264": lambda path: pack(h264, path),
        }
        for work in ways.values():  # a child starts with its first file
            work(paths[0])
        taken = {name: [] for name in ways}
        for _ in range(rounds):
            for name, work in ways.items():
                taken[name].append(seconds_of(work, paths))
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    for name, seconds in medians.items():
        print(f"{name}: {files * frames / seconds:.0f} frames/s", flush=True)
    (folder / "long").mkdir()
    [long] = generate(folder / "long", files=1, frames=times * frames)
    peaks = []
    for path in (paths[0], long):
        with Decoder(decoding, store, "raw") as decoder:
            peaks.append(peak_mib(decoder, path))
    print(f"memory: {peaks[0]:.0f} MiB, of a video {times} times as long {peaks[1]:.0f} MiB")
    ratios = [medians["plain"] / medians[form] for form in ("raw", "h264")]
    memory = peaks[1] / peaks[0]
    return f"raw_ratio {ratios[0]:.2f} h264_ratio {ratios[1]:.2f} memory_ratio {memory:.2f}"


if __name__ == "__main__":
    command_line = CommandLine(__doc__)
    command_line.size("files", "videos", full=4, quick=1)
    command_line.size("rounds", "turns of each", full=7, quick=1)
    command_line.size("times", "the length of the long video, in short ones", full=20, quick=4)
    given = command_line.read()
    with tempfile.TemporaryDirectory() as name:
        print(main(Path(name), files=given.files, rounds=given.rounds, times=given.times))
