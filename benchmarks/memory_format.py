"""Training steps of the demo's network with weights in channels-last-3d against the default layout.

One thread, forward and backward, the two in turn in one run; prints clips a second of both and last
the ratio of the medians.
"""

import statistics
import time
from collections.abc import Callable

import torch

from hdc.backbones.resnet3d import r3d18

STEPS, CLIPS, SHAPE, WIDTH = 15, 48, (3, 16, 32, 32), 0.125


def step(memory_format: torch.memory_format) -> Callable[[], None]:
    """A forward and backward pass of a network in a layout."""
    torch.manual_seed(0)
    network = r3d18(width=WIDTH).to(memory_format=memory_format)
    clips = torch.randn(CLIPS, *SHAPE)

    def run() -> None:
        features = network(clips)
        sum(level.square().mean() for level in features.values()).backward()

    return run


if __name__ == "__main__":
    torch.set_num_threads(1)
    layouts = {"default": torch.contiguous_format, "channels_last": torch.channels_last_3d}
    steps = {name: step(layout) for name, layout in layouts.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for run in range(STEPS + 1):
        for name, one in steps.items():
            started = time.monotonic()
            one()
            if run:  # the first one warms up
                seconds[name].append(time.monotonic() - started)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {CLIPS / median:.0f} clips/s")
    print(f"ratio {medians['default'] / medians['channels_last']:.2f}")
