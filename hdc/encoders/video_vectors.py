"""Videos as vectors: what a frozen encoder makes of each, by level."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from hdc.data.augment import augment
from hdc.data.batches import inference_batches
from hdc.data.store import ClipStore
from hdc.runtime.errors import InputError
from hdc.runtime.lookahead import ahead
from hdc.settings.schema import Clip, Inference


def video_vectors(
    encoder: Any,
    store: ClipStore,
    *,
    clip: Clip,
    inference: Inference,
    on_videos: Callable[[int], Any] = lambda videos: None,
) -> dict[str, Float32[np.ndarray, "video _"]]:
    """By level the features of every stored video, pooled over time and space.

    They are means over clips that are spread evenly over the video. `on_videos` is told how many
    more are done. Raises InputError if a feature is not finite.
    """
    tasks = inference_batches(store, range(len(store)), clip=clip, inference=inference)
    device = next(encoder.parameters()).device
    found: dict[str, list[torch.Tensor]] = {}
    with torch.inference_mode():
        for batch in ahead(tasks, workers=store.readers(None)):
            parts = [part.to(device) for part in batch.parts]
            for level, maps in encoder(augment(parts, batch.draws, pixels=clip.pixels)).items():
                of_clips = maps.mean(dim=(2, 3, 4)).unflatten(0, (-1, inference.clips))
                found.setdefault(level, []).append(of_clips.mean(dim=1).float().cpu())
            on_videos(len(batch.rows) // inference.clips)
    vectors = {level: torch.cat(parts).numpy() for level, parts in found.items()}
    for level, table in vectors.items():
        wrong = np.flatnonzero(~np.isfinite(table).all(axis=1))
        if len(wrong):
            raise InputError(
                f"expected finite features, found NaN or infinity in {level} of "
                f"{store.video(wrong[0])}: the encoder's numbers overflow"
            )
    return vectors
