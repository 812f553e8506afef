"""Frozen features: an encoder and a data set to one row of features per usable video and level.

Writes features.safetensors: float32, rows in the order of index.csv, one table a level, pooled over
time, height and width and averaged over clips.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from hdc.atomic import write_bytes
from hdc.data.index import read_index
from hdc.data.store import ClipStore
from hdc.digest import digest
from hdc.settings import EMBED_READS
from hdc.stage import Stage

STAGE = Stage(
    name="embed",
    about=__doc__,
    choices=("scale", "data", "backbone", "ablation"),
    arguments={
        "encoder": "encoder.safetensors, made by hdc.pretrain",
        "prepared": "results/data/<data>, made by hdc.prepare",
        "output_dir": "<folder of the encoder>/<data>",
    },
    reads=EMBED_READS,
)


def main(settings: SimpleNamespace, arguments: SimpleNamespace) -> None:
    """Write the features of one data set by one encoder."""
    index = read_index(arguments.prepared)
    store = ClipStore(arguments.prepared, index.video.tolist())

    from safetensors.numpy import save

    from hdc.encoders import read_encoder
    from hdc.fabric import laid_out, start_fabric

    fabric = start_fabric("32-true")
    encoder = laid_out(read_encoder(arguments.encoder, settings.backbone), fabric)
    encoder = fabric.setup_module(encoder)
    features = video_features(encoder, store, len(index), settings)
    facts = {
        "clips_per_video": settings.inference.clips,
        "encoder": digest(Path(arguments.encoder).read_bytes()),
        "levels": list(features),
    }
    metadata = {"hdc": json.dumps(facts, sort_keys=True)}
    path = Path(arguments.output_dir) / "features.safetensors"
    write_bytes(path, save(features, metadata))
    print(f"{path}: {len(index)} videos, levels {', '.join(features)}", flush=True)


def video_features(
    encoder, store: ClipStore, videos: int, settings: SimpleNamespace
) -> dict[str, np.ndarray]:
    """Per level a float32 table (video, channel): the mean over each video's clips."""
    import torch

    from hdc.data.augment import augment
    from hdc.data.batches import ahead, inference_batches
    from hdc.progress import progress

    clips_each = settings.inference.clips
    device = next(encoder.parameters()).device
    batches = inference_batches(
        store, range(videos), clip=settings.clip, inference=settings.inference
    )
    tables: dict[str, list] = {}
    with torch.inference_mode():
        made = ahead(batches, workers=settings.progress.workers)
        for batch in progress(made, total=len(batches), unit="batch", what="embedding"):
            clips = augment(batch.clips.to(device), batch.draws, pixels=settings.clip.pixels)
            for level, features in encoder(clips).items():
                pooled = features.mean(dim=(2, 3, 4)).unflatten(0, (-1, clips_each)).mean(dim=1)
                tables.setdefault(level, []).append(pooled.float().cpu())
    return {level: torch.cat(parts).numpy() for level, parts in tables.items()}


if __name__ == "__main__":
    STAGE.run(main)
