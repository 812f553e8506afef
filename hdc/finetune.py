"""Fine-tuning: an encoder, a linear head and labels to accuracy on the test part of a split.

Trains the whole network for a fixed number of epochs, by default on train + val, then reads the
test part once. Writes predictions.csv, one row per test video of the split (an unusable one has no
prediction and counts as wrong), clip_scores.safetensors with the scores of every clip before
softmax, from which any other average follows, and the record finetune.json.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hdc.data.index import missing_facts, read_index, read_split, rows_by_part, write_table
from hdc.data.integrity import check_sample
from hdc.data.store import MANIFEST, ClipStore
from hdc.data.tracks import opened
from hdc.encoders.file import encoder_facts, seen_by
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
from hdc.runtime.tensor_files import write_tensors
from hdc.settings.schema import Clip, Finetune, Inference
from hdc.settings.stage import Stage, StageJob, argument, choice, node

if TYPE_CHECKING:  # with bad arguments there is no need to wait for torch
    from hdc.data.batches import VideoBatches
    from hdc.objectives.supervised import SupervisedTask
    from hdc.training.trainer import Training

CHECKPOINTS = {
    "last": "last epoch",
    "best_on_validation": "epoch with the least loss on validation",
}


@dataclass(frozen=True, kw_only=True)
class FinetuneJob(StageJob):
    """What one fine-tuning is told."""

    scale: str = choice()
    data: str = choice()
    backbone: str = choice()
    ablation: str = choice()
    protocol: str = choice("ours")
    seed: int = argument("decides the head's first weights, order, crops and augmentation")
    encoder: Path = argument("encoder.safetensors, made by hdc.pretrain")
    prepared: Path = argument("results/data/<data>, made by hdc.prepare")
    split: int = argument("number of the split")
    output_dir: Path = argument("<folder of the encoder>/<data>/split<split>")
    allow_copies: bool = argument(
        "true: test videos may have copies in the training part; else refused", default=False
    )
    allow_pretrain_on_test: bool = argument(
        "true: the encoder may have seen test videos; else refused", default=False
    )
    network: dict[str, Any] = node("backbone")
    clip: Clip = node()
    finetune: Finetune = node()
    inference: Inference = node()

    @property
    def chooses_an_epoch(self) -> bool:
        """Whether validation does, which then trains nothing."""
        return self.finetune.checkpoint == "best_on_validation"


STAGE = Stage("finetune", __doc__, FinetuneJob)


@dataclass(frozen=True)
class Videos:
    """A prepared data set, one of its splits, and the rows of the index in each part of that."""

    index: pd.DataFrame
    split: pd.DataFrame
    store: ClipStore
    rows: dict[str, list[int]]

    @property
    def labels(self) -> list[str]:
        """Of the split, in the order of their scores."""
        return sorted(set(self.split.label))

    def targets(self) -> np.ndarray:
        """The number of each video's label; -1 for a label that the split does not have."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers.get(label, -1) for label in self.index.label])


def main(job: FinetuneJob) -> None:
    """Fine-tune one encoder on one split and test it."""
    stopwatch = Stopwatch()
    sees = seen_by(encoder_facts(job.encoder))
    inputs = made_from(*prepared_files(job.prepared, job.split, inputs=[sees]), job.encoder)
    videos = read_videos(job, sees)
    leaks = leak_facts(job, videos)
    checked = check_sample(videos.store, [*chain(*videos.rows.values())], seed=job.seed)

    # Late: with bad arguments there is no need to wait for torch.
    from hdc.training.best_epoch import BestEpoch

    task, batches, training = begin(job, videos)
    scores_of = scorer(task, training, job, videos)
    best = BestEpoch(training, lambda: validation_loss(scores_of, job, videos))
    training.learn(batches, before_epoch=best.judge if job.chooses_an_epoch else None)
    if job.chooses_an_epoch:
        best.judge()
        best.load()

    scores = scores_of("test")
    predictions = judged(scores, job, videos)
    metrics = test_metrics(predictions, scores, videos)
    metrics |= {"train_loss": training.log.loss, "stored_videos_checked": checked}
    metrics |= best.facts() if job.chooses_an_epoch else {}
    write_record(
        job.output_dir / "finetune.json",
        stage="finetune",
        metrics=metrics,
        settings=job.settings_record,
        protocol=protocol(job, len(batches.rows), predictions) | leaks,
        inputs=inputs,
        seed=job.seed,
        stopwatch=stopwatch,
        **training.cost(),
    )
    training.finish()
    tested = f"top-1 {metrics['top1']:.3f} on {len(predictions)} test videos"
    print(f"{job.output_dir / 'finetune.json'}: {tested}", flush=True)


def begin(job: FinetuneJob, videos: Videos) -> "tuple[SupervisedTask, VideoBatches, Training]":
    """The encoder with its head, the training part in batches, and the training of one on them."""
    from hdc.data.batches import VideoBatches
    from hdc.encoders.build import read_encoder
    from hdc.objectives.supervised import SupervisedTask, label_weights
    from hdc.runtime.fabric import start_fabric
    from hdc.training.assembly import start_training

    settings, labels, targets = job.finetune, len(videos.labels), videos.targets()
    fabric = start_fabric(settings.precision, deterministic=settings.deterministic)
    batches = VideoBatches(
        videos.store,
        videos.rows["train"],
        clip=job.clip,
        augment=settings.augment,
        batch_size=settings.batch_size,
        seed=job.seed,
        pinned=fabric.device.type == "cuda",
    )
    weights = label_weights(targets[batches.rows], labels) if settings.class_balanced else None
    task = SupervisedTask(
        read_encoder(job.encoder, job.network).train(),
        targets,
        labels=labels,
        seed=job.seed,
        dropout=settings.dropout,
        label_weights=weights,
    )
    training = start_training(
        task,
        batches,
        stage="finetune",
        settings=settings,
        epochs=settings.epochs,
        progress=job.progress,
        fabric=fabric,
        folder=job.output_dir,
        name=state_name(job, videos.split),
        log_name="finetune.log.jsonl",
    )
    return task, batches, training


def scorer(
    task: "SupervisedTask", training: "Training", job: FinetuneJob, videos: Videos
) -> Callable[[str], np.ndarray]:
    """What gives the scores of every clip of a part, as the weights are when it is called."""
    from hdc.evaluation.clip_scores import clip_scores

    def scores_of(part: str) -> np.ndarray:
        with training.fabric.autocast():
            return clip_scores(
                task,
                videos.store,
                videos.rows[part],
                clip=job.clip,
                inference=job.inference,
                crops=job.finetune.crops,
                workers=videos.store.readers(job.progress.workers),
                what="validation" if part == "val" else part,
            )

    return scores_of


def validation_loss(
    scores_of: Callable[[str], np.ndarray], job: FinetuneJob, videos: Videos
) -> float:
    """The loss by video, in nats, on validation."""
    targets = videos.targets()[videos.rows["val"]]
    return mean_loss(scores_of("val"), targets, job.finetune.average)


def read_videos(job: FinetuneJob, sees: str) -> Videos:
    """The videos to train, to choose and to test on, as the input `sees`.

    Raises InputError if one part is empty.
    """
    index, split = read_index(job.prepared), read_split(job.prepared, job.split)
    rows = rows_by_part(index, split, job.prepared, validation_apart=job.chooses_an_epoch)
    return Videos(index, split, opened(job.prepared, sees, index.video.tolist()), rows)


def leak_facts(job: FinetuneJob, videos: Videos) -> dict[str, Any]:
    """Refuse what must not be judged, unless it is allowed; what was allowed, for the record."""
    copies = require_apart(videos.index, videos.split, allow=job.allow_copies)
    allow = job.allow_pretrain_on_test
    return copies | require_unseen(job.encoder, videos.index, videos.split, allow=allow)


def state_name(job: FinetuneJob, split: pd.DataFrame) -> str:
    """A name for everything that decides the result."""
    listing = split.to_csv(index=False) + digest((job.prepared / MANIFEST).read_bytes())
    encoder = digest(job.encoder.read_bytes())
    return digest(f"{job.settings_text}{job.seed}{listing}{encoder}")


def judged(scores: np.ndarray, job: FinetuneJob, videos: Videos) -> pd.DataFrame:
    """Write what the scores of every clip say, and return the predictions by video."""
    from safetensors.numpy import save

    if not np.isfinite(scores).all():
        raise InputError(
            "expected finite scores of the test videos, found others: the last step broke the "
            "network; lower finetune.learning_rate"
        )
    tested, labels = videos.index.video.iloc[videos.rows["test"]], videos.labels
    facts = {"videos": tested.tolist(), "labels": labels, "axes": "video, clip, label"}
    path = job.output_dir / "clip_scores.safetensors"
    write_tensors(path, partial(save, {"scores": scores}), facts)
    table = pd.DataFrame(
        averaged(scores, job.finetune.average), index=tested.to_numpy(), columns=labels
    )
    predictions = prediction_table(videos.split, table)
    write_table(job.output_dir / "predictions.csv", predictions)
    return predictions


def test_metrics(predictions: pd.DataFrame, scores: np.ndarray, videos: Videos) -> dict[str, Any]:
    """Accuracies of videos and of clips, by class, and the confusion matrix."""
    correct_labels = videos.index.label.iloc[videos.rows["test"]].tolist()
    return {
        **accuracies(predictions),
        **clip_accuracies(scores, correct_labels, videos.labels, videos=len(predictions)),
        "per_class": by_label(predictions),
        "confusion": confusion(predictions),
    }


def protocol(job: FinetuneJob, training_videos: int, predictions: pd.DataFrame) -> dict[str, Any]:
    """How the accuracy came about, for the record."""
    settings = job.finetune
    return {
        "data": job.data,
        "split": job.split,
        "protocol": job.protocol,
        "trained_on": "train" if job.chooses_an_epoch else "train + val",
        "training_videos": training_videos,
        "test_videos": len(predictions),
        "unusable_test_videos": int((predictions.predicted == "").sum()),
        "clips_per_video": job.inference.clips,
        "crops_per_clip": settings.crops,
        "averaging": f"mean of {settings.average}",
        "checkpoint": CHECKPOINTS[settings.checkpoint],
    } | missing_facts(job.prepared, job.split)


if __name__ == "__main__":
    STAGE.run(main)
