"""Self-supervised pretraining: videos without labels to an encoder.

Writes encoder.safetensors, the record pretrain.json, the resolved config.yaml, the list videos.csv
of what it saw, views.png with a batch as the network sees it, and log.jsonl while it runs. Killed
and started again, it goes on where it stopped. Where the setting `encoder` names an encoder, that
one is taken over as it is, with the list of what it saw, and nothing is trained.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hdc.data.index import missing_facts, read_index, read_split, rows_of, write_table
from hdc.data.integrity import check_sample
from hdc.data.store import MANIFEST, ClipStore
from hdc.data.tracks import opened
from hdc.encoders.file import adopted_facts, pretraining_list
from hdc.evaluation.leakage import require_apart
from hdc.runtime.atomic_files import write_text
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.input_names import tracks_of
from hdc.runtime.inputs import made_from, prepared_files
from hdc.runtime.record import Stopwatch, write_record
from hdc.settings.objective import Objective
from hdc.settings.schema import Augment, Clip, Pretrain
from hdc.settings.stage import Stage, StageJob, argument, choice, node
from hdc.study.record_rules import measured_invariance

if TYPE_CHECKING:  # with bad arguments there is no need to wait for torch
    from torch import nn

    from hdc.data.batches import VideoBatches


@dataclass(frozen=True, kw_only=True)
class PretrainJob(StageJob):
    """What one pretraining is told."""

    scale: str = choice()
    data: str = choice()
    backbone: str = choice()
    ablation: str = choice()
    seed: int = argument("decides first weights, order, crops and augmentation")
    prepared: Path = argument("results/data/<data>, made by hdc.prepare")
    split: int | None = argument(
        "pretrain on train + val of this split; empty: on every video", default=None
    )
    allow_copies: bool = argument(
        "true: videos of train may have copies in test; else refused", default=False
    )
    measured: Path | None = argument(
        "pretrain.json of the run that measured the weights; empty unless frozen", default=None
    )
    output_dir: Path = argument(
        "results/<study>/runs/<backbone>/<ablation>/seed<seed>/<data>[-split<split>]"
    )
    network: dict[str, Any] = node("backbone")
    clip: Clip = node()
    objective: Objective = node()
    augment: Augment = node()
    pretrain: Pretrain = node()
    encoder: str | None = node()


STAGE = Stage("pretrain", __doc__, PretrainJob)


@dataclass(frozen=True)
class Videos:
    """A prepared data set, and the rows of its index that an encoder is pretrained on."""

    index: pd.DataFrame
    store: ClipStore
    rows: list[int]
    checked: int  # stored videos that were read to see whether they are whole
    tracks: dict[str, ClipStore]  # beside the frames, by input

    def listing(self) -> pd.DataFrame:
        """What is told of the videos beside an encoder that saw them."""
        return self.index.loc[self.rows, ["video", "sha256"]]


def main(job: PretrainJob) -> None:
    """Pretrain one encoder, or take one over."""
    stopwatch, inputs = Stopwatch(), made_from(*files_read(job))
    pretrain = train if job.encoder is None else take_over
    pretrain(job, read_videos(job), inputs=inputs, stopwatch=stopwatch)


def train(job: PretrainJob, videos: Videos, **made: Any) -> None:
    """Train an encoder on the videos, and write it; `made`: what its record says of this job."""
    from hdc.objectives.build import build_encoders, build_task
    from hdc.runtime.fabric import precision_name, start_fabric
    from hdc.training.assembly import start_training
    from hdc.training.preview import preview
    from hdc.training.synchronized_norms import with_synchronized_norms

    settings, labels = job.pretrain, videos.index.label
    frozen = measured_invariance(job.measured) if job.measured else None
    fabric = start_fabric(
        settings.precision, devices=job.progress.devices, deterministic=settings.deterministic
    )
    part = (fabric.global_rank, fabric.world_size)
    read = {"part": part, "pinned": fabric.device.type == "cuda"}
    batches = clip_batches(job, videos, batch_size=settings.batch_size, **read)
    epochs = math.ceil(settings.epochs * settings.epochs_factor)
    told = {"seed": job.seed, "steps": epochs * batches.steps_per_epoch, "frozen": frozen}
    told["frames"] = job.clip.frames
    encoder, others = build_encoders(job.network, settings, job.objective, seed=job.seed)
    task = build_task(encoder, settings, job.objective, labels, others=others, **told)
    if settings.sync_batch_norm and fabric.world_size > 1 and fabric.device.type == "cuda":
        task = with_synchronized_norms(task)
    training = start_training(
        task,
        batches,
        stage="pretrain",
        settings=settings,
        epochs=epochs,
        progress=job.progress,
        fabric=fabric,
        folder=job.output_dir,
        name=state_name(job, videos, frozen),
        log_name="log.jsonl",
    )
    if fabric.is_global_zero:
        seen = preview(
            task,
            batches,
            videos.index,
            picture=job.output_dir / "views.png",
            device=fabric.device,
            known=training.kept.get("preview"),  # by one that goes on
        )
        training.kept["preview"] = seen
    training.learn(batches)
    if not fabric.is_global_zero:
        return
    metrics = {
        "loss": training.log.loss,
        "steps": training.step,
        "clips_per_second": training.clips_per_second(),
        "pretraining_videos": len(videos.rows),
        "stored_videos_checked": videos.checked,
    }
    write(
        job,
        task.result(),
        videos.listing(),
        more=task.encoder_facts(),
        metrics=metrics | training.kept["preview"] | task.facts(training.step),
        protocol=protocol(job) | {"precision": precision_name(fabric)},
        **training.cost(),
        **made,
    )
    training.finish()
    print(f"{job.output_dir / 'encoder.safetensors'}: {training.step} steps", flush=True)


def take_over(job: PretrainJob, videos: Videos, **made: Any) -> None:
    """Write an encoder that was trained elsewhere as this run's, with the list of what it saw."""
    import torch

    from hdc.encoders.build import read_encoder
    from hdc.objectives.build import build_task
    from hdc.training.preview import preview

    adopted, listing = adopted_facts(job.encoder, job.network)
    encoder = read_encoder(job.encoder, job.network)
    labels, settings = videos.index.label, job.pretrain
    told = {"seed": job.seed, "steps": 0, "frames": job.clip.frames}
    task = build_task(encoder, settings, job.objective, labels, **told)
    batches = clip_batches(job, videos, batch_size=min(settings.batch_size, len(videos.rows)))
    picture, processor = job.output_dir / "views.png", torch.device("cpu")
    seen = preview(task, batches, videos.index, picture=picture, device=processor)
    untrained = {"loss": None, "steps": 0, "clips_per_second": None, "pretraining_videos": 0}
    write(
        job,
        encoder,
        listing,
        more=adopted,
        metrics=untrained | {"stored_videos_checked": videos.checked} | seen,
        protocol={
            "trained_on": f"nothing here; imported, pretrained on {adopted['pretrained_on']}",
            "checkpoint": adopted.get("imported_from", {}).get("file", "encoder.safetensors"),
            "videos_known": adopted["videos_known"],
        },
        **made,
    )
    print(f"{job.output_dir / 'encoder.safetensors'}: taken over as it is", flush=True)


def files_read(job: PretrainJob) -> list[str | Path]:
    """What an encoder is made from."""
    inputs = [] if job.pretrain.labels or job.encoder else job.objective.inputs()
    files: list[str | Path] = [*prepared_files(job.prepared, job.split, inputs=inputs)]
    files += [job.measured] if job.measured else []
    if job.encoder is not None:
        files += [job.encoder, pretraining_list(job.encoder)]
    return files


def read_videos(job: PretrainJob) -> Videos:
    """The videos to pretrain on; raises InputError if there are none, or damaged ones."""
    index = read_index(job.prepared)
    store = ClipStore(job.prepared, index.video.tolist())
    rows = pretraining_rows(index, job)
    names = index.video.tolist()
    inputs = tracks_of([] if job.pretrain.labels else job.objective.inputs())
    tracks = {name: opened(job.prepared, name, names) for name in inputs}
    checked = [check_sample(read, rows, seed=job.seed) for read in (store, *tracks.values())]
    return Videos(index, store, rows, checked[0], tracks)


def pretraining_rows(index: pd.DataFrame, job: PretrainJob) -> list[int]:
    """Rows of the index to pretrain on: train and validation of a split, or all of them.

    Raises InputError if there are none, or if some have copies in test and that is not allowed.
    """
    if job.split is None:
        return list(range(len(index)))
    table = read_split(job.prepared, job.split)
    require_apart(index, table, allow=job.allow_copies)
    rows = rows_of(index, table, "train", "val")
    if not rows:
        raise InputError(
            f"{job.prepared}: expected usable training videos in split {job.split}, found none"
        )
    return rows


def clip_batches(job: PretrainJob, videos: Videos, **read: Any) -> "VideoBatches":
    """Batches of random clips of the videos; `read`: how large, which part, into what memory."""
    from hdc.data.batches import VideoBatches

    made = {"clip": job.clip, "augment": job.augment, "seed": job.seed, "tracks": videos.tracks}
    return VideoBatches(videos.store, videos.rows, **made, **read)


def state_name(job: PretrainJob, videos: Videos, frozen: dict[str, float] | None) -> str:
    """A name for everything that decides the result."""
    listing = videos.listing().to_csv(index=False)
    labels = videos.index.label.to_csv(index=False) if job.pretrain.labels else ""
    stored = digest((job.prepared / MANIFEST).read_bytes())
    return digest(f"{job.settings_text}{job.seed}{listing}{frozen}{labels}{stored}")


def protocol(job: PretrainJob) -> dict[str, Any]:
    """What the encoder was pretrained on, for the record."""
    return {
        "data": job.data,
        "split": job.split,
        "trained_on": "all videos" if job.split is None else "train + val",
        "checkpoint": "last epoch",
    } | missing_facts(job.prepared, job.split)


def write(
    job: PretrainJob,
    encoder: "nn.Module",
    seen: pd.DataFrame,
    *,
    more: dict[str, Any],
    **record: Any,
) -> None:
    """Write an encoder, the list of the videos that it saw, and the record of how it was made.

    `more`: what its file says beside how it was built and by what.
    """
    from hdc.encoders.build import write_encoder

    output = job.output_dir
    write_table(output / "videos.csv", seen)
    write_text(output / "config.yaml", job.settings_text)
    facts = {
        "ablation": job.ablation,
        "backbone": job.backbone,
        "build": job.network,
        "seed": job.seed,
        "settings": digest(job.settings_text),
        "videos": digest(seen.to_csv(index=False)),
        "width": job.network.get("width"),
    }
    write_encoder(output / "encoder.safetensors", encoder, facts | more)
    # Last: a record says that the job is done.
    write_record(
        output / "pretrain.json",
        stage="pretrain",
        settings=job.settings_record,
        seed=job.seed,
        **record,
    )


if __name__ == "__main__":
    STAGE.run(main)
