"""Peak memory of a contrastive step by batch size, whole and in chunks of 8 videos.

Each step runs in a process of its own, on one thread, with the demo's network (`r3d18` at width
0.125, three views of 16 x 32 x 32). Batches are of 16, 32, ... videos. Prints MiB beyond the clips
themselves and last how much that grows from the smallest to the largest batch,
`whole_growth <x> chunked_growth <x> ratio <whole / chunked>`.
"""

import os
from multiprocessing import get_context

import torch
from parts.command_line import CommandLine, whole

from hdc.encoders.build import build_encoder
from hdc.objectives.self_supervised import self_supervised_task
from hdc.runtime.fabric import laid_out, start_fabric
from hdc.runtime.record import peak_memory
from hdc.settings.compose import compose_run, typed

CHUNK, SMALLEST = 8, 16


def step(videos: int, chunk: int | None) -> float:
    """MiB that a step takes at its peak, above what the process has with the clips in it."""
    run = compose_run("hdc", backbone="r3d18", data="synthetic", scale="demo")
    [objective] = typed(run, "objective")
    encoder = build_encoder(dict(run.backbone), seed=0)
    told = {"seed": 0, "total_steps": 1, "frames": 16}
    model = self_supervised_task(encoder, objective, **told, chunk=chunk)
    model = laid_out(model, start_fabric("32-true").device)
    views = {name: torch.randn(videos, 3, 16, 32, 32) for name in model.views}
    idle = peak_memory()
    model(views, list(range(videos)), 0).loss.backward()
    return (peak_memory() - idle) / 2**20


def growth(chunk: int | None, batches: list[int]) -> float:
    """Memory of the largest batch over that of the smallest; prints each."""
    # Forked before torch has started a thread: a process has its own peak, and imports nothing.
    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        peaks = [pool.apply(step, (videos, chunk)) for videos in batches]
    name = f"chunks of {chunk}" if chunk else "whole"
    cells = ", ".join(f"{v}: {m:.0f}" for v, m in zip(batches, peaks, strict=True))
    print(f"{name}: MiB by videos: {cells}", flush=True)
    return peaks[-1] / peaks[0]


if __name__ == "__main__":
    command_line = CommandLine(__doc__)
    text = "videos of the largest batch, 32 or more"
    command_line.size("largest", text, full=128, quick=32, kind=whole(2 * SMALLEST))
    largest = command_line.read().largest
    os.environ["OMP_NUM_THREADS"] = "1"  # the threads of a step
    batches = [SMALLEST * 2**power for power in range((largest // SMALLEST).bit_length())]
    entire, chunked = growth(None, batches), growth(CHUNK, batches)
    ratio = entire / chunked
    print(f"whole_growth {entire:.2f} chunked_growth {chunked:.2f} ratio {ratio:.2f}")
