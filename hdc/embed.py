"""Frozen features: an encoder and a data set to one row of features per usable video and level.

Writes features.safetensors: float32, rows in the order of index.csv, averaged over each video's
clips. `<level>` is pooled over time, height and width. `<level>.still` and `<level>.shuffled` are
the same of clips whose first frame is repeated, or whose frames are in random order: controls for
how much the features use time. `<last level>.spatial_max` is pooled as VCOP's retrieval does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hdc.data.index import read_index
from hdc.data.store import ClipStore
from hdc.data.tracks import opened
from hdc.encoders.file import encoder_facts, seen_by
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.inputs import made_from, prepared_files
from hdc.runtime.tensor_files import write_tensors
from hdc.settings.schema import Clip, Inference
from hdc.settings.stage import Stage, StageJob, argument, choice, node


@dataclass(frozen=True, kw_only=True)
class EmbedJob(StageJob):
    """What computing the features of a data set is told."""

    scale: str = choice()
    data: str = choice()
    backbone: str = choice()
    ablation: str = choice()
    protocol: str = choice("ours")
    encoder: Path = argument("encoder.safetensors, made by hdc.pretrain")
    prepared: Path = argument("results/data/<data>, made by hdc.prepare")
    output_dir: Path = argument("<folder of the encoder>/<data>")
    network: dict[str, Any] = node("backbone")
    clip: Clip = node()
    inference: Inference = node()


STAGE = Stage("embed", __doc__, EmbedJob)


def main(job: EmbedJob) -> None:
    """Write the features of one data set by one encoder."""
    sees = seen_by(encoder_facts(job.encoder))
    inputs = made_from(*prepared_files(job.prepared, inputs=[sees]), job.encoder)
    index = read_index(job.prepared)
    store = opened(job.prepared, sees, index.video.tolist())

    from safetensors.numpy import save

    from hdc.encoders.build import read_encoder
    from hdc.runtime.fabric import laid_out, start_fabric

    fabric = start_fabric("32-true")
    encoder = laid_out(read_encoder(job.encoder, job.network), fabric.device)
    levels = list(encoder.levels)
    encoder = fabric.setup_module(encoder)
    features = video_features(
        encoder,
        store,
        len(index),
        clip=job.clip,
        inference=job.inference,
        workers=store.readers(job.progress.workers),
    )
    require_finite(features, index.video.tolist(), job.encoder)
    facts = {
        "clips_per_video": job.inference.clips,
        "encoder": inputs[str(job.encoder)],
        "inputs": inputs,
        "levels": levels,
        "settings": digest(job.settings_text),
    }
    path = job.output_dir / "features.safetensors"
    write_tensors(path, partial(save, features), facts)
    print(f"{path}: {len(index)} videos, {', '.join(features)}", flush=True)


def video_features(
    encoder: Any,
    store: ClipStore,
    videos: int,
    *,
    clip: Clip,
    inference: Inference,
    workers: int,
) -> dict[str, np.ndarray]:
    """By name a float32 table (video, number): the mean over each video's clips."""
    import torch

    from hdc.data.augment import augment
    from hdc.data.frame_orders import in_order
    from hdc.data.whole_videos import video_batches

    clips_each = inference.clips
    batches = video_batches(
        store,
        range(videos),
        clip=clip,
        inference=inference,
        device=next(encoder.parameters()).device,
        workers=workers,
        what="embedding",
    )
    tables: dict[str, list] = {}
    with torch.inference_mode():
        for batch in batches:
            shown = {"": batch.parts} | {
                f".{order}": in_order(batch, order, store, clips=clips_each)
                for order in ("still", "shuffled")
            }
            for suffix, clips in shown.items():
                maps = encoder(augment(clips, batch.draws, pixels=clip.pixels))
                for name, rows in pooled(maps, suffix):
                    means = rows.unflatten(0, (-1, clips_each)).mean(dim=1)
                    tables.setdefault(name, []).append(means.float().cpu())
    return {name: torch.cat(parts).numpy() for name, parts in tables.items()}


def require_finite(features: dict[str, np.ndarray], videos: list[str], encoder: Path) -> None:
    """Raise InputError if a feature is NaN or infinite; `videos` are the rows' names."""
    for name, table in features.items():
        wrong = np.flatnonzero(~np.isfinite(table).all(axis=1))
        if len(wrong):
            raise InputError(
                f"{encoder}: expected finite features, found NaN or infinity in {name} of "
                f"{len(wrong):,} of {len(videos):,} videos, such as {videos[wrong[0]]}; "
                "its numbers overflow: pretrain it again with a lower pretrain.learning_rate"
            )


def pooled(maps: dict[str, Any], suffix: str) -> Iterator[tuple[str, Any]]:
    """Names and pooled features (clip, number) of every level's maps; more of the plain last one.

    `spatial_max` is the maximum over squares of 2 x 2, time and the rest of space kept, flattened:
    what VCOP (Xu et al., CVPR 2019) retrieves by, in its published code.
    """
    import torch.nn.functional as functional

    for level, features in maps.items():
        yield f"{level}{suffix}", features.mean(dim=(2, 3, 4))
    if not suffix:
        side = min(2, *features.shape[3:])  # small clips leave a single place
        maximum = functional.max_pool3d(features, (1, side, side))
        yield f"{level}.spatial_max", maximum.flatten(1)


if __name__ == "__main__":
    STAGE.run(main)
