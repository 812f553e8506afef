"""Fine-tuning: an encoder, a linear head and labels to accuracy on the test part of a split.

Trains the whole network for a fixed number of epochs, by default on train + val, then reads the
test part once. Writes predictions.csv, one row per test video of the split (an unusable one has no
prediction and counts as wrong), clip_scores.safetensors with the scores of every clip before
softmax, from which any other average follows, and the record finetune.json.
"""

from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from hdc.data.index import missing_facts, read_index, read_split, rows_of, write_table
from hdc.data.integrity import check_sample
from hdc.data.store import MANIFEST, ClipStore
from hdc.evaluation.classification import (
    accuracies,
    averaged,
    by_label,
    clip_accuracies,
    confusion,
    mean_loss,
    prediction_table,
)
from hdc.evaluation.leakage import require_apart, require_unseen
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.inputs import made_from, prepared_files
from hdc.runtime.record import Stopwatch, write_record
from hdc.runtime.seeding import torch_seed
from hdc.runtime.tensor_files import write_tensors
from hdc.settings.schema import FINETUNE_READS
from hdc.settings.stage import Stage

CHECKPOINTS = {
    "last": "last epoch",
    "best_on_validation": "epoch with the least loss on validation",
}

STAGE = Stage(
    name="finetune",
    about=__doc__,
    choices=("scale", "data", "backbone", "ablation", "protocol"),
    arguments={
        "seed": "decides the head's first weights, order, crops and augmentation",
        "encoder": "encoder.safetensors, made by hdc.pretrain",
        "prepared": "results/data/<data>, made by hdc.prepare",
        "split": "number of the split",
        "output_dir": "<folder of the encoder>/<data>/split<split>",
        "allow_copies": "true: test videos may have copies in the training part; else refused",
        "allow_pretrain_on_test": "true: the encoder may have seen test videos; else refused",
    },
    reads=FINETUNE_READS,
    optional=("allow_copies", "allow_pretrain_on_test"),
)


def main(settings: SimpleNamespace, arguments: SimpleNamespace) -> None:
    """Fine-tune one encoder on one split and test it."""
    stopwatch, seed = Stopwatch(), int(arguments.seed)
    output, prepared = Path(arguments.output_dir), arguments.prepared
    inputs = made_from(*prepared_files(prepared, arguments.split), arguments.encoder)
    index, split = read_index(prepared), read_split(prepared, int(arguments.split))
    leaks = leak_facts(arguments, index, split)
    rows = rows_by_part(index, split, prepared, settings.finetune.checkpoint)
    store = ClipStore(prepared, index.video.tolist())
    checked = check_sample(store, [*chain(*rows.values())], seed=seed)

    # Late: with bad arguments there is no need to wait for torch.
    from hdc.data.batches import VideoBatches
    from hdc.encoders.build import read_encoder
    from hdc.encoders.classifier import Classifier
    from hdc.evaluation.clip_scores import clip_scores
    from hdc.runtime.fabric import device_name, peak_device_memory, start_fabric
    from hdc.training.best_epoch import BestEpoch
    from hdc.training.soundness import require_sound
    from hdc.training.trainer import Training

    fabric = start_fabric(
        settings.finetune.precision, deterministic=settings.finetune.deterministic
    )
    labels = sorted(set(split.label))
    numbers = {label: number for number, label in enumerate(labels)}
    targets = np.array([numbers.get(label, -1) for label in index.label])  # -1: not in this split
    batches = VideoBatches(
        store,
        rows["train"],
        clip=settings.clip,
        augment=settings.finetune.augment,
        batch_size=settings.finetune.batch_size,
        seed=seed,
    )
    encoder = read_encoder(arguments.encoder, settings.backbone).train()
    model = Classifier(encoder, len(labels), dropout=settings.finetune.dropout, seed=seed)
    shape = (batches.batch_size, 3, settings.clip.frames, *2 * (settings.clip.pixels,))
    require_sound(model, shape, fabric=fabric, key="finetune.precision")
    training = Training(
        model,
        settings.finetune,
        settings.progress,
        fabric=fabric,
        epochs=settings.finetune.epochs,
        steps_per_epoch=batches.steps_per_epoch,
        folder=output,
        name=state_name(settings, arguments, split),
        log_name="finetune.log.jsonl",
    )
    scores_of = partial(
        clip_scores,
        training.model,
        store,
        clip=settings.clip,
        inference=settings.inference,
        crops=settings.finetune.crops,
        workers=settings.progress.workers,
    )
    best = None
    if settings.finetune.checkpoint == "best_on_validation":
        own, average = targets[rows["val"]], settings.finetune.average
        best = BestEpoch(
            training, lambda: mean_loss(scores_of(rows["val"], what="validation"), own, average)
        )
    train(training, batches, targets, settings, labels=len(labels), seed=seed, best=best)

    scores = scores_of(rows["test"], what="test")
    predictions = judged(scores, index.video.iloc[rows["test"]], split, labels, settings, output)
    metrics = test_metrics(predictions, scores, index.label.iloc[rows["test"]].tolist(), labels)
    metrics |= {"train_loss": training.log.loss} | (best.facts() if best else {})
    metrics["stored_videos_checked"] = checked
    write_record(
        output / "finetune.json",
        stage="finetune",
        metrics=metrics,
        settings=settings.record,
        protocol=protocol(settings, arguments, len(batches.rows), predictions) | leaks,
        inputs=inputs,
        seed=seed,
        stopwatch=stopwatch,
        seconds_before=training.seconds_before,
        device=device_name(fabric),
        peak_memory_bytes=peak_device_memory(fabric),
    )
    training.finish()
    tested = f"top-1 {metrics['top1']:.3f} on {len(predictions)} test videos"
    print(f"{output / 'finetune.json'}: {tested}", flush=True)


def train(
    training: Any,
    batches: Any,
    targets: np.ndarray,
    settings: SimpleNamespace,
    *,
    labels: int,
    seed: int,
    best: Any | None,
) -> None:
    """Every step that is left; with `best`, ends with the weights of the best epoch."""
    import torch

    from hdc.data.augment import augment
    from hdc.encoders.classifier import seeded_loss
    from hdc.settings.schema import View

    device = training.fabric.device
    weights = label_weights(targets[batches.rows], labels)
    weights = torch.tensor(weights, device=device) if settings.finetune.class_balanced else None
    numbers = torch.tensor(targets, device=device)
    for epoch, first_step in training.epochs():
        if best:
            best.judge()
        tasks = batches.epoch(epoch, {"clip": View(crop=1, draw="a")}, first_step=first_step)
        for views in training.batches(tasks):
            batch = views["clip"]
            dropout = torch_seed(seed, f"dropout {training.step}")
            clips = batch.clips.to(device, non_blocking=True)
            clips = augment(clips, batch.draws, pixels=settings.clip.pixels)
            own = numbers[batch.rows]
            loss_of = partial(seeded_loss, clips, own, weights=weights, dropout=dropout)
            training.update(loss_of(training.model), clips=len(clips), again=loss_of)
    if best:
        best.judge()
        best.load()


def label_weights(targets: np.ndarray, labels: int) -> np.ndarray:
    """What a video of each label weighs so that all labels weigh alike, 1 on average, float32.

    A label without videos weighs nothing.
    """
    counts = np.bincount(targets, minlength=labels)
    weights = len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return np.where(counts > 0, weights, 0).astype(np.float32)


def leak_facts(
    arguments: SimpleNamespace, index: pd.DataFrame, split: pd.DataFrame
) -> dict[str, Any]:
    """Refuse what must not be judged, unless it is allowed; what was allowed, for the record."""
    copies = require_apart(index, split, allow=arguments.allow_copies == "true")
    allow = arguments.allow_pretrain_on_test == "true"
    return copies | require_unseen(arguments.encoder, index, split, allow=allow)


def rows_by_part(
    index: pd.DataFrame, split: pd.DataFrame, prepared: str, checkpoint: str
) -> dict[str, list[int]]:
    """Rows of the index to train, to choose and to test on.

    Where an epoch is chosen, val does that and trains nothing. Raises InputError if one is empty.
    """
    chosen = checkpoint == "best_on_validation"
    parts = {"train": ("train",) if chosen else ("train", "val"), "test": ("test",)}
    parts |= {"val": ("val",)} if chosen else {}
    rows = {name: rows_of(index, split, *each) for name, each in parts.items()}
    for name, found in rows.items():
        if not found:
            raise InputError(f"{prepared}: expected usable {name} videos in the split, found none")
    return rows


def state_name(settings: SimpleNamespace, arguments: SimpleNamespace, split: pd.DataFrame) -> str:
    """A name for everything that decides the result."""
    listing = split.to_csv(index=False) + digest((Path(arguments.prepared) / MANIFEST).read_bytes())
    encoder = digest(Path(arguments.encoder).read_bytes())
    return digest(f"{settings.text}{arguments.seed}{listing}{encoder}")


def judged(
    scores: np.ndarray,
    videos: pd.Series,
    split: pd.DataFrame,
    labels: list[str],
    settings: SimpleNamespace,
    output: Path,
) -> pd.DataFrame:
    """Write what the scores of every clip say, and return the predictions by video."""
    from safetensors.numpy import save

    if not np.isfinite(scores).all():
        raise InputError(
            "expected finite scores of the test videos, found others: the last step broke the "
            "network; lower finetune.learning_rate"
        )
    facts = {"videos": videos.tolist(), "labels": labels, "axes": "video, clip, label"}
    path = output / "clip_scores.safetensors"
    write_tensors(path, partial(save, {"scores": scores}), facts)
    table = pd.DataFrame(
        averaged(scores, settings.finetune.average), index=videos.to_numpy(), columns=labels
    )
    predictions = prediction_table(split, table)
    write_table(output / "predictions.csv", predictions)
    return predictions


def test_metrics(
    predictions: pd.DataFrame, scores: np.ndarray, own: list[str], labels: list[str]
) -> dict[str, Any]:
    """Accuracies of videos and of clips, by class, and the confusion matrix; own: of `scores`."""
    return {
        **accuracies(predictions),
        **clip_accuracies(scores, own, labels, videos=len(predictions)),
        "per_class": by_label(predictions),
        "confusion": confusion(predictions),
    }


def protocol(
    settings: SimpleNamespace,
    arguments: SimpleNamespace,
    training_videos: int,
    predictions: pd.DataFrame,
) -> dict[str, Any]:
    """How the accuracy came about, for the record."""
    finetune = settings.finetune
    return {
        "data": arguments.data,
        "split": int(arguments.split),
        "protocol": arguments.protocol,
        "trained_on": "train" if finetune.checkpoint == "best_on_validation" else "train + val",
        "training_videos": training_videos,
        "test_videos": len(predictions),
        "unusable_test_videos": int((predictions.predicted == "").sum()),
        "clips_per_video": settings.inference.clips,
        "crops_per_clip": finetune.crops,
        "averaging": f"mean of {finetune.average}",
        "checkpoint": CHECKPOINTS[finetune.checkpoint],
    } | missing_facts(arguments.prepared, arguments.split)


if __name__ == "__main__":
    STAGE.run(main)
