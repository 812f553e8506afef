"""The scores that a classifier gives to whole videos, clip by clip."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from hdc.data.augment import augment
from hdc.data.frame_orders import in_order
from hdc.data.store import ClipStore
from hdc.data.whole_videos import video_batches
from hdc.objectives.supervised import CLIP, LabelTask
from hdc.settings.schema import Clip, Inference


@torch.inference_mode()
def clip_scores(
    task: LabelTask,
    store: ClipStore,
    rows: Sequence[int],
    *,
    clip: Clip,
    inference: Inference,
    crops: int,
    workers: int,
    what: str,
    view: str = CLIP,
) -> Float[np.ndarray, "video clip label"]:
    """Scores before softmax of each video's clips, a square of a clip being one of its own.

    `view`: how the clips are shown, and to which head; one of the task's own, such as `shuffled`.
    Leaves the task in evaluation mode. A bar named `what` shows how far it is.
    """
    task.eval()
    batches = video_batches(
        store,
        rows,
        clip=clip,
        inference=inference,
        device=next(task.parameters()).device,
        workers=workers,
        what=what,
        crops=crops,
    )
    each, scores = {"clips": inference.clips, "crops": crops}, []
    for batch in batches:
        parts = batch.parts if view == CLIP else in_order(batch, view, store, **each)
        shown = augment(parts, batch.draws, pixels=clip.pixels)
        batch_scores = task.scores(shown, view).float()
        scores.append(batch_scores.unflatten(0, (-1, inference.clips * crops)).cpu())
    return torch.cat(scores).numpy()
