"""Self-supervised pretraining: videos without labels to an encoder.

Writes encoder.safetensors, the record pretrain.json, the resolved config.yaml, the list videos.csv
of what it saw, views.png with a batch as the network sees it, and log.jsonl while it runs. Killed
and started again, it goes on where it stopped. Where the setting `encoder` names an encoder, that
one is taken over as it is, with the list of what it saw, and nothing is trained.
"""

import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from hdc.data.index import (
    missing_facts,
    read_index,
    read_split,
    rows_of,
    write_table,
)
from hdc.data.integrity import check_sample
from hdc.data.store import MANIFEST, ClipStore
from hdc.encoders.file import adopted_facts, pretraining_list
from hdc.evaluation.leakage import require_apart
from hdc.runtime.atomic_files import write_text
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.inputs import made_from, prepared_files
from hdc.runtime.record import Stopwatch, write_record
from hdc.settings.schema import PRETRAIN_READS, Clip
from hdc.settings.stage import Stage
from hdc.study.record_rules import read_record

STAGE = Stage(
    name="pretrain",
    about=__doc__,
    choices=("scale", "data", "backbone", "ablation"),
    arguments={
        "seed": "decides first weights, order, crops and augmentation",
        "prepared": "results/data/<data>, made by hdc.prepare",
        "split": "pretrain on train + val of this split; empty: on every video",
        "allow_copies": "true: videos of train may have copies in test; else refused",
        "measured": "pretrain.json of the run that measured the weights; empty unless frozen",
        "output_dir": "results/<study>/runs/<backbone>/<ablation>/seed<seed>/<data>[-split<split>]",
    },
    reads=PRETRAIN_READS,
    optional=("split", "measured", "allow_copies"),
)


def main(settings: SimpleNamespace, arguments: SimpleNamespace) -> None:
    """Pretrain one encoder."""
    # Late: with bad arguments there is no need to wait for torch.
    import torch

    from hdc.data.batches import VideoBatches
    from hdc.data.views import augmented, see_views
    from hdc.encoders.build import write_encoder
    from hdc.objectives.shortcuts import VIDEOS, shortcuts
    from hdc.runtime.fabric import device_name, peak_device_memory, precision_name, start_fabric
    from hdc.training.soundness import require_sound
    from hdc.training.trainer import Training

    stopwatch, seed = Stopwatch(), int(arguments.seed)
    output, clip, frozen = Path(arguments.output_dir), settings.clip, None
    inputs = made_from(*files_read(settings, arguments))
    index = read_index(arguments.prepared)
    store = ClipStore(arguments.prepared, index.video.tolist())
    allow_copies = arguments.allow_copies == "true"
    rows = pretraining_rows(index, arguments.prepared, arguments.split, allow_copies)
    checked = check_sample(store, rows, seed=seed)
    videos, adopted, trained_on = index.loc[rows, ["video", "sha256"]], None, len(rows)
    if settings.encoder is not None:
        (adopted, videos), trained_on = adopted_facts(settings.encoder, settings.backbone), 0
    if arguments.measured:
        frozen = measured_invariance(arguments.measured)
    labels = index.label.to_csv(index=False) if settings.pretrain.labels else ""
    stored = digest((Path(arguments.prepared) / MANIFEST).read_bytes())
    key = digest(f"{settings.text}{seed}{videos.to_csv(index=False)}{frozen}{labels}{stored}")

    fabric = start_fabric(
        settings.pretrain.precision,
        devices=settings.progress.devices,
        deterministic=settings.pretrain.deterministic,
    )
    made = {"store": store, "rows": rows, "clip": clip, "augment": settings.augment, "seed": seed}
    batches = VideoBatches(
        **made,
        # With an encoder to take over nothing is trained: a batch is only shown.
        batch_size=min(settings.pretrain.batch_size, len(rows))
        if settings.encoder is not None
        else settings.pretrain.batch_size,
        part=(fabric.global_rank, fabric.world_size),
    )
    encoder, epochs = start(settings, seed=seed)
    steps = epochs * batches.steps_per_epoch
    model = build_model(encoder, settings, index, seed=seed, steps=steps, frozen=frozen)
    if steps:
        videos_seen = rows[: batches.batch_size // fabric.world_size]
        clips = len(model.views) * len(videos_seen)
        shape = (clips, 3, clip.frames, clip.pixels, clip.pixels)
        require_sound(model, shape, videos_seen, 0, fabric=fabric, key="pretrain.precision")
    several_gpus = fabric.world_size > 1 and fabric.device.type == "cuda"
    if settings.pretrain.sync_batch_norm and several_gpus:
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    training = Training(
        model,
        settings.pretrain,
        settings.progress,
        fabric=fabric,
        epochs=epochs,
        steps_per_epoch=batches.steps_per_epoch,
        folder=output,
        name=key,
        log_name="log.jsonl",
    )
    if fabric.is_global_zero:
        see_views(batches, model.views, pixels=clip.pixels, path=output / "views.png")
        many = VideoBatches(**made, batch_size=min(VIDEOS, len(rows)))
        found = shortcuts(many, model.subtasks, model.views, index, pixels=clip.pixels)
    for epoch, first_step in training.epochs():
        for batch in training.batches(batches.epoch(epoch, model.views, first_step=first_step)):
            views = augmented(batch, pixels=clip.pixels, device=fabric.device)
            videos_seen = next(iter(batch.values())).rows
            seen = (torch.cat(views), videos_seen, training.step)
            loss, terms = training.model(*seen)
            again = partial(loss_of, seen)
            training.update(loss, clips=len(seen[0]), again=again, **terms)

    if not fabric.is_global_zero:
        return
    write_table(output / "videos.csv", videos)
    write_text(output / "config.yaml", settings.text)
    facts = run_facts(settings, arguments, videos) | (adopted or {})
    write_encoder(output / "encoder.safetensors", encoder, facts)
    # Last: a record says that the job is done.
    write_record(
        output / "pretrain.json",
        stage="pretrain",
        metrics=metrics(training, model, clip)
        | {"pretraining_videos": trained_on, "stored_videos_checked": checked, "shortcuts": found},
        settings=settings.record,
        protocol=protocol(arguments, adopted) | {"precision": precision_name(fabric)},
        inputs=inputs,
        seed=seed,
        stopwatch=stopwatch,
        seconds_before=training.seconds_before,
        device=device_name(fabric),
        peak_memory_bytes=peak_device_memory(fabric),
    )
    training.finish()
    print(f"{output / 'encoder.safetensors'}: {training.step} steps", flush=True)


def files_read(settings: SimpleNamespace, arguments: SimpleNamespace) -> list[str | Path]:
    """What an encoder is made from."""
    found: list[str | Path] = [*prepared_files(arguments.prepared, arguments.split)]
    found += [arguments.measured] if arguments.measured else []
    if settings.encoder is not None:
        found += [settings.encoder, pretraining_list(settings.encoder)]
    return found


def loss_of(seen: tuple[Any, ...], model: Any) -> Any:
    """The loss of a step, computed by `model` of what the network saw in it."""
    return model(*seen)[0]


def start(settings: SimpleNamespace, *, seed: int) -> tuple[Any, int]:
    """The encoder to start from and the epochs to train it: none if it is taken over."""
    from hdc.encoders.build import build_encoder, read_encoder

    if settings.encoder is not None:
        return read_encoder(settings.encoder, settings.backbone), 0
    epochs = math.ceil(settings.pretrain.epochs * settings.pretrain.epochs_factor)
    return build_encoder(settings.backbone, seed=seed), epochs


def build_model(
    encoder: Any,
    settings: SimpleNamespace,
    index: pd.DataFrame,
    *,
    seed: int,
    steps: int,
    frozen: dict[str, float] | None,
) -> Any:
    """What is trained: the encoder under a contrast, or under labels where the run asks so."""
    from hdc.objectives.contrastive_model import contrastive_model
    from hdc.objectives.supervised import SupervisedModel

    if settings.pretrain.labels:
        return SupervisedModel(encoder, index.label.tolist(), seed=seed)
    return contrastive_model(
        encoder,
        settings.objective,
        seed=seed,
        total_steps=steps,
        frozen=frozen,
        chunk=settings.pretrain.chunk,
    )


def metrics(training: Any, model: Any, clip: Clip) -> dict[str, Any]:
    """What training came to, and what the encoder costs, for the record."""
    from hdc.encoders.build import multiply_adds

    encoder = model.encoder
    return {
        "loss": training.log.loss,
        "steps": training.step,
        "parameters": sum(weight.numel() for weight in encoder.parameters()),
        "multiply_adds": multiply_adds(encoder, (clip.frames, clip.pixels, clip.pixels)),
        "clips_per_second": training.clips_per_second(),
        "invariance": model.invariance(training.step),
    }


def protocol(arguments: SimpleNamespace, adopted: dict[str, Any] | None) -> dict[str, Any]:
    """What the encoder was pretrained on, for the record."""
    if adopted is not None:
        return {
            "trained_on": f"nothing here; imported, pretrained on {adopted['pretrained_on']}",
            "checkpoint": adopted.get("imported_from", {}).get("file", "encoder.safetensors"),
            "videos_known": adopted["videos_known"],
        }
    return {
        "data": arguments.data,
        "split": int(arguments.split) if arguments.split else None,
        "trained_on": "train + val" if arguments.split else "all videos",
        "checkpoint": "last epoch",
    } | missing_facts(arguments.prepared, arguments.split)


def run_facts(
    settings: SimpleNamespace, arguments: SimpleNamespace, videos: pd.DataFrame
) -> dict[str, Any]:
    """What an encoder's file says about it."""
    return {
        "ablation": arguments.ablation,
        "backbone": arguments.backbone,
        "build": settings.backbone,
        "seed": int(arguments.seed),
        "settings": digest(settings.text),
        "videos": digest(videos.to_csv(index=False)),
        "width": settings.backbone.get("width"),
    }


def measured_invariance(record: str) -> dict[str, float]:
    """The invariance of every term at the end of another run, out of its record."""
    if not Path(record).is_file():
        raise InputError(f"{record}: expected the record of a pretraining, found none")
    try:
        found = read_record(Path(record))["metrics"].get("invariance")
        if not found:
            raise InputError("expected metrics invariance, found none")
    except InputError as error:
        raise InputError(f"{record}: {error}; pretrain that run again") from error
    return found


def pretraining_rows(
    index: pd.DataFrame, prepared: str, split: str, allow_copies: bool
) -> list[int]:
    """Rows of the index to pretrain on: train and validation of a split, or all of them.

    Raises InputError if there are none, or if some have copies in test and that is not allowed.
    """
    if not split:
        return list(range(len(index)))
    table = read_split(prepared, int(split))
    require_apart(index, table, allow=allow_copies)
    rows = rows_of(index, table, "train", "val")
    if not rows:
        raise InputError(
            f"{prepared}: expected usable training videos in split {split}, found none"
        )
    return rows


if __name__ == "__main__":
    STAGE.run(main)
