"""Fine-tuning: an encoder, a head and labels to accuracy on the test part of a split.

Trains the whole network, or by a frozen protocol a head alone, for a fixed number of epochs, by
default on train + val, then reads the test part once. Writes predictions.csv, one row per test
video of the split (an unusable one has no prediction and counts as wrong), clip_scores.safetensors
with every clip's scores before softmax, from which any other average follows, and finetune.json.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hdc.data.index import missing_facts, write_table
from hdc.data.integrity import check_sample
from hdc.data.labelled_videos import LabelledVideos
from hdc.data.splits import pair_facts
from hdc.data.store import MANIFEST
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
    from hdc.objectives.supervised import LabelTask
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
    def training(self) -> Finetune:
        """How it trains, the encoder or a head alone."""
        return self.finetune.in_force

    @property
    def chooses_an_epoch(self) -> bool:
        """Whether validation does, which then trains nothing."""
        return self.finetune.checkpoint == "best_on_validation"


STAGE = Stage("finetune", __doc__, FinetuneJob)


def main(job: FinetuneJob) -> None:
    """Fine-tune one encoder on one split and test it."""
    stopwatch = Stopwatch()
    sees = seen_by(encoder_facts(job.encoder))
    inputs = made_from(*prepared_files(job.prepared, job.split, inputs=[sees]), job.encoder)
    validation_apart = job.chooses_an_epoch
    videos = LabelledVideos.read(job.prepared, job.split, sees, validation_apart=validation_apart)
    facts = leak_facts(job, videos) | pair_facts(videos.index, videos.split)
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
    if job.finetune.frozen:
        metrics["controls"] = control_metrics(scores_of, job, videos)
    metrics |= best.facts() if job.chooses_an_epoch else {}
    write_record(
        job.output_dir / "finetune.json",
        stage="finetune",
        metrics=metrics,
        settings=job.settings_record,
        protocol=protocol(job, len(batches.rows), predictions) | facts,
        inputs=inputs,
        seed=job.seed,
        stopwatch=stopwatch,
        **training.cost(),
    )
    training.finish()
    tested = f"top-1 {metrics['top1']:.3f} on {len(predictions)} test videos"
    print(f"{job.output_dir / 'finetune.json'}: {tested}", flush=True)


def begin(job: FinetuneJob, videos: LabelledVideos) -> "tuple[LabelTask, VideoBatches, Training]":
    """The encoder with its head, the training part in batches, and the training of one on them."""
    from hdc.data.batches import VideoBatches
    from hdc.encoders.build import read_encoder
    from hdc.objectives.build import build_label_task
    from hdc.runtime.fabric import start_fabric
    from hdc.training.assembly import start_training

    settings = job.training
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
    task = build_label_task(
        read_encoder(job.encoder, job.network),
        videos.targets(),
        settings,
        labels=len(videos.labels),
        trained=batches.rows,
        seed=job.seed,
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
    task: "LabelTask", training: "Training", job: FinetuneJob, videos: LabelledVideos
) -> Callable[..., np.ndarray]:
    """What gives the scores of every clip of a part, shown as in a view, by the weights of then."""
    from hdc.evaluation.clip_scores import CLIP, clip_scores

    def scores_of(part: str, view: str = CLIP) -> np.ndarray:
        with training.fabric.autocast():
            return clip_scores(
                task,
                videos.store,
                videos.rows[part],
                clip=job.clip,
                inference=job.inference,
                crops=job.finetune.crops,
                workers=videos.store.readers(job.progress.workers),
                what="validation" if part == "val" else view if view != CLIP else part,
                view=view,
            )

    return scores_of


def validation_loss(
    scores_of: Callable[..., np.ndarray], job: FinetuneJob, videos: LabelledVideos
) -> float:
    """The loss by video, in nats, on validation."""
    targets = videos.targets()[videos.rows["val"]]
    return mean_loss(scores_of("val"), targets, job.finetune.average)


def leak_facts(job: FinetuneJob, videos: LabelledVideos) -> dict[str, Any]:
    """Refuse what must not be judged, unless it is allowed; what was allowed, for the record."""
    copies = require_apart(videos.index, videos.split, allow=job.allow_copies)
    allow = job.allow_pretrain_on_test
    return copies | require_unseen(job.encoder, videos.index, videos.split, allow=allow)


def state_name(job: FinetuneJob, split: pd.DataFrame) -> str:
    """A name for everything that decides the result."""
    listing = split.to_csv(index=False) + digest((job.prepared / MANIFEST).read_bytes())
    encoder = digest(job.encoder.read_bytes())
    return digest(f"{job.settings_text}{job.seed}{listing}{encoder}")


def judged(scores: np.ndarray, job: FinetuneJob, videos: LabelledVideos) -> pd.DataFrame:
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
    predictions = predicted(scores, job, videos)
    write_table(job.output_dir / "predictions.csv", predictions)
    return predictions


def predicted(scores: np.ndarray, job: FinetuneJob, videos: LabelledVideos) -> pd.DataFrame:
    """The predictions by video that the scores of every clip come to."""
    shares = averaged(scores, job.finetune.average)
    tested = videos.index.video.iloc[videos.rows["test"]].to_numpy()
    table = pd.DataFrame(shares, index=tested, columns=videos.labels)
    return prediction_table(videos.split, table)


def control_metrics(
    scores_of: Callable[..., np.ndarray], job: FinetuneJob, videos: LabelledVideos
) -> dict[str, dict[str, float]]:
    """By control the accuracies of its own head, trained and tested on such clips."""
    from hdc.objectives.frozen_encoder import CONTROLS

    return {
        control: accuracies(predicted(scores_of("test", control), job, videos))
        for control in CONTROLS
    }


def test_metrics(
    predictions: pd.DataFrame, scores: np.ndarray, videos: LabelledVideos
) -> dict[str, Any]:
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
    frozen = {"trained": f"{settings.frozen.head} head, frozen encoder"} if settings.frozen else {}
    return (
        frozen
        | {
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
        }
        | missing_facts(job.prepared, job.split)
    )


if __name__ == "__main__":
    STAGE.run(main)
