"""A pretraining step of `hdc` against the straightforward way to compute the same loss.

Ours is `hdc.training.trainer`'s step. The straightforward one has the same network, heads, terms,
weights, batch and draws, those of the noise included, but augments clip after clip on the processor
with torchvision, runs the network once a subtask (four clips of a video, not three), loops over
levels and time steps in the loss, and stays in float32 and the default layout. Both are first
checked to give the same terms. Then they take turns; printed are samples (videos) a second, where
each step's time goes, and last `ratio <straightforward / ours, in seconds>`, the median over pairs.

Without a GPU it takes the demo's network on 8 x 32 x 32 from stored frames of 40 x 40. Clips of 8
frames leave the last level one time step, which `hdc` refuses to contrast moment by moment, so
below 16 frames both sides compute the run `pooled_spatial`: all three levels, both subtasks, 3D
pooling. With `--frames 16`, what the demo trains with, they compute the run `hdc`.

On a GPU it takes the paper's sizes, 16 x 112 x 112 from stored 128 x 171: first a row of a table
for each backbone, then the ratio for R3D-18. There the straightforward way augments on a thread a
processor core, between its steps.
"""

import gc
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import torch
from lightning_fabric import Fabric
from parts.command_line import CommandLine, whole
from parts.steps import Ours, Straightforward, run_of

from hdc.runtime.fabric import device_name, start_fabric

FLOP = {"c3d": 229e9, "r3d18": 241e9, "r2plus1d10": 118e9}  # of a clip, forward and backward
WARM_UP, STEPS_ON_GPU = 4, 4  # steps; the latter between two looks at the clock
TOLERANCE = {"cpu": 1e-4, "cuda": 1e-2}  # nats; on a GPU convolutions are in TF32 on both sides
MATRIX, PRODUCTS = 8192, 20


def require_same(ours: Ours, theirs: Straightforward) -> None:
    """Stop unless both ways give the same loss and terms on the batch."""
    terms, expected = ours.terms(), theirs.terms()
    worst = max(abs(terms[name].item() - value.item()) for name, value in expected.items())
    print(f"loss {terms['loss']:.4f} nats; it and its terms differ by {worst:.0e} at most")
    if not worst <= TOLERANCE[ours.fabric.device.type]:
        raise SystemExit("the two ways do not compute the same loss")


def seconds_of_step(way: Ours | Straightforward) -> float:
    """Wall time of a step; on a GPU the mean of some that follow one another."""
    steps = STEPS_ON_GPU if way.clock.on_gpu else 1
    synchronize = torch.cuda.synchronize if way.clock.on_gpu else lambda: None
    synchronize()
    started = time.perf_counter()
    for _ in range(steps):
        way.step()
    synchronize()
    return (time.perf_counter() - started) / steps


def measured(ways: Sequence[Ours | Straightforward], rounds: int) -> tuple[list, list]:
    """Seconds of a step, a row a round with the ways in turn, and median shares by part of each."""
    seconds, shares = [], [[] for _ in ways]
    for _ in range(rounds):
        row = []
        for way, turns in zip(ways, shares, strict=True):
            row.append(seconds_of_step(way))
            turns.append(way.clock.shares())
        seconds.append(row)
    return seconds, [
        {part: statistics.median(turn[part] for turn in turns) for part in turns[0]}
        for turns in shares
    ]


def ratio(run: SimpleNamespace, fabric: Fabric, rounds: int) -> float:
    """How many times as many samples a second ours does, the median over pairs; prints both."""
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(run, fabric, Path(folder))
        for _ in range(WARM_UP):  # also gives the batch norms statistics for the check
            ours.step()
        theirs = Straightforward(run, ours)
        require_same(ours, theirs)
        theirs.step()
        seconds, shares = measured([ours, theirs], rounds)
    for name, times, parts in zip(
        ("ours", "straightforward"), zip(*seconds, strict=True), shares, strict=True
    ):
        speed = run.videos / statistics.median(times)
        where = ", ".join(f"{part} {share:.1%}" for part, share in parts.items())
        print(f"{name}: {speed:.1f} samples/s ({where})")
    return statistics.median(theirs / ours for ours, theirs in seconds)


def matrix_rate(device: torch.device) -> float:
    """bf16 FLOP/s of the device in a large matrix product, the median of some."""
    left, right = torch.randn(2, MATRIX, MATRIX, device=device, dtype=torch.bfloat16)
    rates = []
    for _ in range(PRODUCTS):
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        left @ right
        ended.record()
        torch.cuda.synchronize()
        rates.append(2 * MATRIX**3 / (begun.elapsed_time(ended) / 1000))
    return statistics.median(rates[PRODUCTS // 4 :])  # the first ones warm up


def table_row(backbone: str, run: SimpleNamespace, fabric: Fabric, rounds: int) -> str:
    """A backbone's speed and memory on a GPU, as a row of the table in docs/performance.md."""
    rate = matrix_rate(fabric.device)
    gc.collect()  # the network before this one is in a cycle
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(run, fabric, Path(folder))
        for _ in range(WARM_UP):
            ours.step()
        seconds, (shares,) = measured([ours], rounds)
    clips = len(run.batch) * run.videos / statistics.median(passed for (passed,) in seconds)
    last_columns = (
        f"{shares['loss and heads']:.1%} | {torch.cuda.max_memory_allocated() / 2**30:.1f} |"
    )
    speed = clips * FLOP[backbone]
    return (
        f"| {device_name(fabric)} | {backbone} | {run.videos} | {clips:.0f} | {speed / 1e12:.0f} | "
        f"{speed / rate:.1%} | {shares['augmentation']:.1%} | {last_columns}"
    )


def main() -> float:
    """Print what was measured; the ratio."""
    command_line = CommandLine(__doc__)
    text = "threads of the processor; default: 1"
    command_line.add_argument("--threads", type=whole(1), metavar="N", default=1, help=text)
    text = "frames of a clip; default: 8, on a GPU 16"
    command_line.add_argument("--frames", type=whole(1), metavar="N", help=text)
    text = "videos of a batch, 2 or more; in full 32, on a GPU 64"
    command_line.size("batch", text, full=None, quick=8, kind=whole(2))
    command_line.size("rounds", "pairs of measurements", full=15, quick=2)
    options = command_line.read()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # what a job is given by Snakemake
    fabric = start_fabric("auto")
    on_gpu = fabric.device.type == "cuda"
    print(device_name(fabric), flush=True)
    if on_gpu:
        print(
            "| device | network | videos | clips/s | TFLOP/s | of bf16 matrix rate "
            "| augmentation | loss and heads | peak GiB |\n" + "|---" * 9 + "|"
        )
    for backbone in FLOP if on_gpu else ():
        run = run_of(backbone, options, on_gpu=True)
        print(table_row(backbone, run, fabric, options.rounds), flush=True)
    return ratio(run_of("r3d18", options, on_gpu=on_gpu), fabric, options.rounds)


if __name__ == "__main__":
    print(f"ratio {main():.2f}")
