"""Frozen features: an encoder and a data set to one row of features per usable video and level.

Writes features.safetensors: float32, rows in the order of index.csv, averaged over each video's
clips. `<level>` is pooled over time, height and width. `<level>.still` and `<level>.shuffled` are
the same of clips whose first frame is repeated, or whose frames are in random order: controls for
how much the features use time. `<last level>.spatial_max` is pooled as VCOP's retrieval does.

With probes of time also, of some videos: `<level>.reversed` and `<level>.swapped`, of the same
clips from end to start and with their second half first, and `<level>.stride<n>`, of clips of n
frames of the video from one of theirs to the next, which have the same middle at every n.
"""

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
from hdc.settings.evaluation import TimeProbes
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
    time_probes: TimeProbes = node()


STAGE = Stage("embed", __doc__, EmbedJob)


def main(job: EmbedJob) -> None:
    """Write the features of one data set by one encoder."""
    sees = seen_by(encoder_facts(job.encoder))
    inputs = made_from(*prepared_files(job.prepared, inputs=[sees]), job.encoder)
    index = read_index(job.prepared)
    store = opened(job.prepared, sees, index.video.tolist())

    from safetensors.numpy import save

    from hdc.encoders.build import read_encoder
    from hdc.evaluation.time_features import TimeEmbedding
    from hdc.runtime.fabric import laid_out, start_fabric

    fabric = start_fabric("32-true")
    encoder = laid_out(read_encoder(job.encoder, job.network), fabric.device)
    levels = list(encoder.levels)
    encoder = fabric.setup_module(encoder)
    how = {"clip": job.clip, "inference": job.inference}
    how["workers"] = store.readers(job.progress.workers)
    features = video_features(encoder, store, len(index), **how)
    require_finite(features, index.video.tolist(), job.encoder)
    facts = {
        "clips_per_video": job.inference.clips,
        "encoder": inputs[str(job.encoder)],
        "inputs": inputs,
        "levels": levels,
        "settings": digest(job.settings_text),
    }
    if job.time_probes.videos:
        frames = store if store.channels == 3 else ClipStore(job.prepared, index.video.tolist())
        timed = TimeEmbedding(encoder, store, frames, **how).features(job.time_probes)
        for rows, tables in timed.tables:
            require_finite(tables, index.video.iloc[rows].tolist(), job.encoder)
            features |= tables
        facts["time"] = timed.facts
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

    from hdc.data.frame_orders import in_order
    from hdc.data.whole_videos import video_batches
    from hdc.encoders.clip_features import features_of

    batches = video_batches(
        store,
        range(videos),
        clip=clip,
        inference=inference,
        device=next(encoder.parameters()).device,
        workers=workers,
        what="embedding",
    )

    def shown(batch: Any) -> dict[str, Any]:
        return {"": batch.parts} | {
            f".{order}": in_order(batch, order, store, clips=inference.clips)
            for order in ("still", "shuffled")
        }

    return features_of(encoder, batches, shown, pixels=clip.pixels, clips_each=inference.clips)


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


if __name__ == "__main__":
    STAGE.run(main)
