"""A look at what a task is about to learn from, before its first step."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from hdc.data.batches import VideoBatches
from hdc.data.inputs import input_named
from hdc.data.views import see_views
from hdc.encoders.build import multiply_adds
from hdc.encoders.file import seen_by
from hdc.objectives.pretext_task import PretextTask
from hdc.objectives.shortcuts import VIDEOS, shortcuts


def preview(
    task: PretextTask,
    batches: VideoBatches,
    index: pd.DataFrame,
    *,
    picture: Path,
    device: torch.device,
    known: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Draw a batch as the task sees it; what its encoder costs, and which shortcuts its pairs have.

    `index`: of the prepared data set. `device`: where clips are augmented. What is returned is part
    of a record's metrics; `known`: what was returned before, so that it is not found out again.
    """
    videos, clip = len(batches.rows), batches.clip
    size = (clip.frames, clip.pixels, clip.pixels)
    channels = input_named(seen_by(task.encoder_facts())).channels
    see_views(batches.of_size(min(batches.batch_size, videos)), task.views, path=picture)
    return known or {
        "parameters": sum(weight.numel() for weight in task.encoder.parameters()),
        "multiply_adds": multiply_adds(task.encoder, size, channels=channels),
        "shortcuts": shortcuts(
            batches.of_size(min(VIDEOS, videos)), task.pairs, task.views, index, device=device
        ),
    }
