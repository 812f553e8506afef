"""Training steps of the demo's network with weights in channels-last-3d against the default layout.

One thread, forward and backward, the two in turn in one run; prints clips a second of both and last
that of the medians, `ratio <default / channels-last-3d, in seconds>`.
"""

import statistics
import time
from collections.abc import Callable

import torch
from parts.command_line import CommandLine

from hdc.backbones.resnet3d import r3d18

SHAPE, WIDTH = (3, 16, 32, 32), 0.125


def step(clips: int, memory_format: torch.memory_format) -> Callable[[], None]:
    """A forward and backward pass of a network in a layout."""
    torch.manual_seed(0)
    network = r3d18(width=WIDTH).to(memory_format=memory_format)
    batch = torch.randn(clips, *SHAPE)

    def run() -> None:
        features = network(batch)
        sum(level.square().mean() for level in features.values()).backward()

    return run


if __name__ == "__main__":
    command_line = CommandLine(__doc__)
    command_line.size("steps", "steps that are timed", full=15, quick=2)
    command_line.size("clips", "clips of a batch", full=48, quick=4)
    sizes = command_line.read()
    torch.set_num_threads(1)
    layouts = {"default": torch.contiguous_format, "channels_last": torch.channels_last_3d}
    steps = {name: step(sizes.clips, layout) for name, layout in layouts.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for run in range(sizes.steps + 1):
        for name, take_step in steps.items():
            started = time.monotonic()
            take_step()
            if run:  # the first one warms up
                seconds[name].append(time.monotonic() - started)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {sizes.clips / median:.0f} clips/s")
    print(f"ratio {medians['default'] / medians['channels_last']:.2f}")
