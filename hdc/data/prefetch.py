"""Batches moved to the GPU while the step before is computed there."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from hdc.data.batches import ClipBatch


def on_device(
    make: Callable[[], Mapping[str, ClipBatch]], device: torch.device, stream: torch.cuda.Stream
) -> dict[str, ClipBatch]:
    """What `make` makes, with its clips on `device`; called on a thread that reads ahead.

    The copy goes from pinned memory on a stream of its own, so it overlaps with the training step;
    only the calling thread waits for it.
    """
    # This thread stands on GPU 0; to leave the stream there would start CUDA on that, too.
    torch.cuda.set_device(device)
    with torch.cuda.stream(stream):
        moved = {
            name: replace(batch, clips=batch.clips.pin_memory().to(device, non_blocking=True))
            for name, batch in make().items()
        }
    stream.synchronize()
    for batch in moved.values():  # used on the main stream: not to be freed before it is done
        batch.clips.record_stream(torch.cuda.default_stream(device))
    return moved
