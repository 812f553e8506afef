"""Clips a second of whole training steps at the paper's size, a JSON line for each way.

`speed.py FOLDER eager|compiled`. With `eager` the most used kernels of a step, too. Without a GPU
the sizes are tiny.
"""

import gc
import json
import sys
import time
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import torch
from parts.steps import Ours, run_of

from hdc.runtime.fabric import precision_name, start_fabric

BACKBONES = ("r3d18", "c3d", "r2plus1d10")
VIDEOS = (64, 16, 32, 128, 256)  # by value
WARM_UP, SECONDS, KERNELS = 3, 2.0, 40


def ways() -> list[tuple[str, int, bool, bool]]:
    """Backbone, videos of a batch, channels_last and cudnn_benchmark, by value."""
    plain = [(name, VIDEOS[0], False, False) for name in BACKBONES]
    layouts = [
        (name, VIDEOS[0], *way) for name, *way in product(BACKBONES, (False, True), (False, True))
    ]
    sizes = [(name, videos, False, True) for videos, name in product(VIDEOS[1:], BACKBONES)]
    return list(dict.fromkeys(plain + layouts + sizes))


def steps(way: tuple[str, int, bool, bool], fabric, folder: Path, *, compiled: bool) -> Ours:
    """What takes steps in a way, warmed up; the first one's seconds are its `first_step`."""
    backbone, videos, channels_last, benchmark = way
    on_gpu = fabric.device.type == "cuda"
    options = SimpleNamespace(batch=videos if on_gpu else 2, frames=16 if on_gpu else 8)
    run = run_of(backbone, options, on_gpu=on_gpu)
    run.progress.channels_last, run.progress.cudnn_benchmark = channels_last, benchmark
    run.pretrain.compile = compiled
    ours = Ours(run, fabric, folder)
    started = time.perf_counter()
    for number in range(WARM_UP):
        ours.step()
        if number == 0:
            synchronize(fabric.device)
            ours.first_step = time.perf_counter() - started
    synchronize(fabric.device)
    return ours


def synchronize(device: torch.device) -> None:
    """Wait for a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measured(ours: Ours, device: torch.device) -> dict[str, float]:
    """Clips a second of some steps, and the shares of the last."""
    count, started = 0, time.perf_counter()
    while count < 3 or time.perf_counter() - started < SECONDS:
        ours.step()
        count += 1
        if count % 4 == 0:
            synchronize(device)
    synchronize(device)
    seconds = (time.perf_counter() - started) / count
    clips = len(ours.run.batch) * ours.run.videos
    shares = {name: round(share, 3) for name, share in ours.clock.shares().items()}
    return {"clips_per_second": round(clips / seconds, 1), "shares": shares}


def kernels(ours: Ours, device: torch.device) -> list[tuple[str, float, int]]:
    """The operators that took longest in a step: name, milliseconds, calls."""
    with torch.profiler.profile() as profile:
        ours.step()
        synchronize(device)
    on_gpu = device.type == "cuda"

    def spent(row) -> float:
        return row.self_device_time_total if on_gpu else row.self_cpu_time_total

    rows = sorted(profile.key_averages(), key=spent, reverse=True)[:KERNELS]
    return [(row.key[:80], round(spent(row) / 1000, 3), row.count) for row in rows]


def main(folder: Path, *, compiled: bool) -> None:
    """Print a line for each way, while there is time."""
    fabric = start_fabric("auto")
    device = fabric.device
    for number, way in enumerate(ways()):
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        facts = dict(
            zip(("backbone", "videos", "channels_last", "cudnn_benchmark"), way, strict=True)
        )
        facts |= {"precision": precision_name(fabric), "compiled": compiled}
        try:
            ours = steps(way, fabric, folder / f"{compiled}{number}", compiled=compiled)
            facts["videos"] = ours.run.videos
            facts |= {"first_step_seconds": round(ours.first_step, 2)} | measured(ours, device)
            if device.type == "cuda":
                facts["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
                facts["reserved_gib"] = round(torch.cuda.max_memory_reserved() / 2**30, 2)
            print(json.dumps(facts), flush=True)
            if number == 0 and not compiled:
                print(json.dumps({"kernels": kernels(ours, device)}), flush=True)
        except RuntimeError as error:  # such as too little memory
            print(json.dumps(facts | {"error": str(error).splitlines()[0]}), flush=True)
        ours = None
        gc.collect()  # a network is in a cycle
        if device.type == "cpu" and number + 1 >= (1 if compiled else len(BACKBONES)):
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), compiled=sys.argv[2] == "compiled")
