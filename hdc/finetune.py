"""Fine-tuning: an encoder, a linear head and labels to accuracy on the test part of a split.

Trains the whole network on train + val for a fixed number of epochs, then reads the test part once.
Writes predictions.csv, one row per test video of the split (an unusable one has no prediction and
counts as wrong), and the record finetune.json.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from hdc.data.index import missing_facts, read_index, read_split, rows_of, write_table
from hdc.data.store import MANIFEST, ClipStore
from hdc.digest import digest
from hdc.errors import InputError
from hdc.leaks import require_unseen
from hdc.random_draws import torch_seed
from hdc.records import Stopwatch, write_record
from hdc.settings import FINETUNE_READS
from hdc.stage import Stage

STAGE = Stage(
    name="finetune",
    about=__doc__,
    choices=("scale", "data", "backbone", "ablation"),
    arguments={
        "seed": "decides the head's first weights, order, crops and augmentation",
        "encoder": "encoder.safetensors, made by hdc.pretrain",
        "prepared": "results/data/<data>, made by hdc.prepare",
        "split": "number of the split",
        "output_dir": "<folder of the encoder>/<data>/split<split>",
    },
    reads=FINETUNE_READS,
)


def main(settings: SimpleNamespace, arguments: SimpleNamespace) -> None:
    """Fine-tune one encoder on one split and test it."""
    stopwatch, seed = Stopwatch(), int(arguments.seed)
    output, prepared = Path(arguments.output_dir), arguments.prepared
    index, split = read_index(prepared), read_split(prepared, int(arguments.split))
    require_unseen(arguments.encoder, index, split)

    import torch

    from hdc.classifier import Classifier, predict
    from hdc.data.augment import augment
    from hdc.data.batches import VideoBatches
    from hdc.encoders import read_encoder
    from hdc.fabric import device_name, peak_device_memory, start_fabric
    from hdc.settings import View
    from hdc.training import Training

    tested = test_rows(index, split, prepared)
    fabric = start_fabric(
        settings.finetune.precision, deterministic=settings.finetune.deterministic
    )
    store = ClipStore(prepared, index.video.tolist())
    labels = sorted(set(split.label))
    targets = torch.tensor([labels.index(label) for label in index.label], device=fabric.device)
    batches = VideoBatches(
        store,
        rows_of(index, split, "train", "val"),
        clip=settings.clip,
        augment=settings.finetune.augment,
        batch_size=settings.finetune.batch_size,
        seed=seed,
    )
    encoder = read_encoder(arguments.encoder, settings.backbone).train()
    model = Classifier(encoder, len(labels), dropout=settings.finetune.dropout, seed=seed)
    listing = split.to_csv(index=False) + digest((Path(prepared) / MANIFEST).read_bytes())
    training = Training(
        model,
        settings.finetune,
        settings.progress,
        fabric=fabric,
        epochs=settings.finetune.epochs,
        steps_per_epoch=batches.steps_per_epoch,
        folder=output,
        name=digest(
            f"{settings.text}{seed}{listing}{digest(Path(arguments.encoder).read_bytes())}"
        ),
        log_name="finetune.log.jsonl",
    )
    for epoch, first_step in training.epochs():
        tasks = batches.epoch(epoch, {"clip": View(crop=1, draw="a")}, first_step=first_step)
        for views in training.batches(tasks):
            batch = views["clip"]
            # Dropout draws from torch's own generator: seeded per step, a resumed run repeats it.
            torch.manual_seed(torch_seed(seed, f"dropout {training.step}"))
            clips = batch.clips.to(fabric.device, non_blocking=True)
            scores = training.model(augment(clips, batch.draws, pixels=settings.clip.pixels))
            loss = torch.nn.functional.cross_entropy(scores.float(), targets[batch.rows])
            training.update(loss, clips=len(clips))

    scores = predict(
        training.model,
        store,
        tested,
        clip=settings.clip,
        inference=settings.inference,
        workers=settings.progress.workers,
    )
    scores = pd.DataFrame(scores, index=index.video.iloc[tested], columns=labels)
    predictions = prediction_table(split, scores)
    write_table(output / "predictions.csv", predictions)
    write_record(
        output / "finetune.json",
        stage="finetune",
        metrics=accuracies(predictions) | {"train_loss": training.log.loss},
        settings=settings.record,
        protocol=protocol(settings, arguments, len(batches.rows), predictions),
        seed=seed,
        stopwatch=stopwatch,
        seconds_before=training.seconds_before,
        device=device_name(fabric),
        peak_memory_bytes=peak_device_memory(fabric),
    )
    training.finish()
    top1 = f"top-1 {accuracies(predictions)['top1']:.3f}"
    print(f"{output / 'finetune.json'}: {top1} on {len(predictions)} test videos", flush=True)


def test_rows(index: pd.DataFrame, split: pd.DataFrame, prepared: str) -> list[int]:
    """Rows of the index to test on; raises InputError if there are none."""
    rows = rows_of(index, split, "test")
    if not rows:
        raise InputError(f"{prepared}: expected usable test videos in the split, found none")
    return rows


def protocol(
    settings: SimpleNamespace,
    arguments: SimpleNamespace,
    training_videos: int,
    predictions: pd.DataFrame,
) -> dict[str, Any]:
    """How the accuracy came about, for the record."""
    return {
        "data": arguments.data,
        "split": int(arguments.split),
        "trained_on": "train + val",
        "training_videos": training_videos,
        "test_videos": len(predictions),
        "unusable_test_videos": int((predictions.predicted == "").sum()),
        "clips_per_video": settings.inference.clips,
        "crops_per_clip": 1,
        "averaging": "mean of probabilities",
        "checkpoint": "last epoch",
    } | missing_facts(arguments.prepared, arguments.split)


def prediction_table(split: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Columns video, label, predicted and score_<label>, one row per test video of the split.

    `scores` has a row per usable test video; the others stay empty.
    """
    test = split[split.part == "test"]
    scores = scores.reindex(test.video)
    found = scores.notna().all(axis=1).to_numpy()
    best = np.asarray(scores.columns)[np.nan_to_num(scores.to_numpy(), nan=-1.0).argmax(axis=1)]
    table = {"video": test.video.to_numpy(), "label": test.label.to_numpy()}
    table["predicted"] = np.where(found, best, "")
    numbers = {f"score_{label}": scores[label].to_numpy() for label in scores.columns}
    return pd.DataFrame(table | numbers)


def accuracies(predictions: pd.DataFrame) -> dict[str, float]:
    """Top-1 and top-5 over all test videos; one without a prediction is wrong in both."""
    columns = [column for column in predictions if column.startswith("score_")]
    scores = predictions[columns].to_numpy(dtype=float)
    own = predictions.label.map(
        {column.removeprefix("score_"): i for i, column in enumerate(columns)}
    )
    # The rank of the video's own label: how many labels score higher. NaN compares false.
    own_scores = scores[np.arange(len(scores)), own.to_numpy()]
    usable = predictions.predicted.to_numpy() != ""
    rank = (scores > own_scores[:, None]).sum(axis=1)
    top1 = predictions.predicted.to_numpy() == predictions.label.to_numpy()
    return {"top1": float(top1.mean()), "top5": float((usable & (rank < 5)).mean())}


if __name__ == "__main__":
    STAGE.run(main)
