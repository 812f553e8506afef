"""Whole videos through a network that does not learn: batches of all clips of each video."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from hdc.data.batches import ClipBatch, inference_batches
from hdc.data.store import ClipStore
from hdc.runtime.lookahead import ahead
from hdc.runtime.progress import progress
from hdc.settings.schema import Clip, Inference


def video_batches(
    store: ClipStore,
    rows: Sequence[int],
    *,
    clip: Clip,
    inference: Inference,
    device: torch.device,
    workers: int,
    what: str,
    crops: int = 1,
    window: int = 0,
) -> Iterator[ClipBatch]:
    """Batches of stored clips on a device, made ahead on threads, in the order of `rows`.

    Each holds all clips of its videos, `inference.clips` times `crops` a video, one video after
    another. A bar named `what` shows how far it is. `window`: as for `inference_batches`.
    """
    tasks = inference_batches(
        store, rows, clip=clip, inference=inference, crops=crops, window=window
    )
    made = ahead(tasks, workers=workers)
    for batch in progress(made, total=len(tasks), unit="batch", what=what):
        yield replace(batch, parts=tuple(part.to(device) for part in batch.parts))
