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
        batches = make()
        there = {  # views share clips, which are copied once
            part: part.to(device, non_blocking=True)
            for batch in batches.values()
            for part in batch.parts
        }
    stream.synchronize()
    for part in there.values():  # used on the main stream: not to be freed before it is done
        part.record_stream(torch.cuda.default_stream(device))
    return {
        name: replace(batch, parts=tuple(there[part] for part in batch.parts))
        for name, batch in batches.items()
    }
