"""A (2+1)D block at its exact middle width of 230 against 232, which tensor cores like better.

Forward and backward, in turn in one run; on a GPU in bf16. The exact widths stay whatever comes
out: others are another network. Prints milliseconds of both and last `ratio <230 / 232>`.
"""

import statistics
import time

import torch
from parts.command_line import CommandLine
from torchvision.models.video.resnet import Conv2Plus1D

CHANNELS = (64, 128)  # R(2+1)D-10's second stage has 230 between them
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CLIPS, SHAPE = (32, (64, 16, 56, 56)) if DEVICE == "cuda" else (4, (64, 8, 14, 14))


def milliseconds(block: torch.nn.Module, clips: torch.Tensor) -> float:
    """One forward and backward pass."""
    started = time.perf_counter()
    with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
        block(clips).float().square().mean().backward()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    command_line = CommandLine(__doc__)
    command_line.size("rounds", "steps of each that are timed", full=15, quick=2)
    rounds = command_line.read().rounds
    torch.set_num_threads(1)
    clips = torch.randn(CLIPS, *SHAPE, device=DEVICE)
    blocks = {width: Conv2Plus1D(*CHANNELS, width).to(DEVICE) for width in (230, 232)}
    times: dict[int, list[float]] = {width: [] for width in blocks}
    for turn in range(rounds + 3):
        for width, block in blocks.items():
            spent = milliseconds(block, clips)
            if turn >= 3:  # the first ones warm up
                times[width].append(spent)
    medians = {width: statistics.median(measured) for width, measured in times.items()}
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "processor, one thread"
    print(f"{name}: {', '.join(f'{width}: {ms:.1f} ms' for width, ms in medians.items())}")
    print(f"ratio {medians[230] / medians[232]:.2f}")
