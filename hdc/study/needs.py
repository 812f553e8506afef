"""What a job needs, as its settings say: memory, processors, GPUs and time. No torch is imported.

Memory was measured on processors, with a margin on top: the test compares it with every published
record. On a GPU the activations are the GPU's, and what its driver takes of the node is assumed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hdc.data.store import H264, RAW, READERS
from hdc.settings.compose import typed
from hdc.settings.data import Data
from hdc.study.groups import PRETRAIN
from hdc.study.rates import FORWARD_SHARE, Rates, parameters
from hdc.study.runs import Evaluation, Run, part_of
from hdc.study.study import Study

MIB = 2**20
LIBRARIES = 900 * MIB  # torch and all that a training imports: 951 to 989 MiB with nothing trained
ANALYSIS = 230 * MIB  # what `evaluate` imports
DRIVER = 3072 * MIB  # assumed: what CUDA and its driver take of a node's memory
INPUT_COPIES = 16  # of a clip in float32 while it is augmented
ACTIVATIONS = 22  # of a clip's first feature map, in float32, in a training step
MAPPED = 2048 * MIB  # of the store's files at the most: Slurm counts what it has read of them
MARGIN = 1.5
VIDEO_BYTES = 15 * MIB  # assumed: of a published video as raw frames; UCF101 11, Kinetics-400 18
VIDEO_FRAMES = 250  # assumed: ten seconds
H264_SHARE = 1 / 30  # of the bytes of raw frames: docs/datasets.md
LEVELS = 4 * 6 * 512  # numbers of a row of features at width 1: levels, variants, channels

START_SECONDS = 60.0  # assumed: imports, the first batch, on a busy file system
PROBE_SECONDS = 0.02  # a video: 10 to 50 seconds for 2,960 to 3,360 videos and three factors
PREPARED_SECONDS = 1.5  # a video of a published data set on one core: half an hour for UCF101 on 8
MADE_SECONDS = 0.03  # a made one: 2,200 a minute
LEAST_MINUTES = 15
SURE, UNSURE = 1.5, 3.0  # times the seconds that a job may run, where the rate is measured, or not


@dataclass(frozen=True)
class Needs:
    """Of one job."""

    seconds: float  # about as long as it takes
    measured: bool  # whether that follows from the rate of a finished run
    memory: int  # MiB
    processors: int
    gpus: int

    def minutes(self, attempt: int = 1) -> int:
        """How long it may run; longer after every attempt, since not all go on where they were."""
        sure = SURE if self.measured else UNSURE
        return attempt * max(LEAST_MINUTES, math.ceil(sure * self.seconds / 60))


@dataclass(frozen=True)
class Videos:
    """Of a data set, or of one of its splits."""

    trained: int
    tested: int
    bytes: float  # of the store that they are read from
    form: str  # of that store

    @property
    def all(self) -> int:
        """Those that features are computed of."""
        return self.trained + self.tested


def count_videos(run: Any, split: int | None, found: int) -> Videos:
    """The videos of a run's data set as its settings say, of `found` that are there.

    `split` None: all of them are trained on.
    """
    data, store = typed(run, "data", "store")
    trained, tested = _parts(data, split, found)
    if made := data.synthetic:
        each = 3.0 * made.frames * store.short_side**2
    else:
        each = VIDEO_BYTES * (store.short_side / 128) ** 2
    total = each * max(found, trained + tested)
    raw = store.form == RAW or (store.form == "auto" and total <= store.raw_gib * 2**30)
    return Videos(trained, tested, total * (1 if raw else H264_SHARE), RAW if raw else H264)


def _parts(data: Data, split: int | None, found: int) -> tuple[int, int]:
    """How many videos are trained on, and how many are tested."""
    if made := data.synthetic:
        trained, tested = made.train_videos + made.validation_videos, made.test_videos
    elif data.official is not None:
        place = (split or 1) - 1
        trained = data.official.train_videos[place]
        tested = data.official.test_videos[place] if data.official.test_videos else 0
    else:
        tested = found // data.folder.folds
        trained = found - tested
    return (trained, tested) if split else (trained + tested, 0)


class Estimates:
    """The needs of every job of a study on one kind of device, each worked out once."""

    def __init__(self, study: Study, found: Mapping[str, int], rates: Rates) -> None:
        self.study, self.found, self.rates = study, found, rates
        self.of = cache(self._of)

    def seconds(self, kind: str, run: Run, evaluations: Sequence[Evaluation]) -> float:
        """Of all jobs of a run that are in one group, one after the other."""
        if kind == PRETRAIN:
            return self.of(
                "pretrain", run.backbone, run.ablation, *part_of(run.pretrained_on)
            ).seconds
        places = [(evaluation.data, evaluation.split) for evaluation in evaluations]
        jobs = [("embed", data, None) for data in dict.fromkeys(data for data, _ in places)]
        jobs += [(stage, *place) for place in places for stage in ("finetune", "evaluate")]
        return sum(
            self.of(stage, run.backbone, run.ablation, data, split).seconds
            for stage, data, split in jobs
        )

    def _of(self, stage: str, backbone: str, ablation: str, data: str, split: int | None) -> Needs:
        """The needs of a job of a stage; those of an embedding hold for all splits."""
        run = self.study.compose(backbone, ablation, data)
        videos = count_videos(run, split, self.found.get(data, 0))
        if stage == "evaluate":
            seconds = START_SECONDS + PROBE_SECONDS * videos.all
            return Needs(seconds, False, _mib(ANALYSIS + 3 * feature_bytes(run, videos)), 2, 0)
        rate = self.rates.training(run)
        devices = run.progress.devices if stage == "pretrain" else 1
        clips = _clips(stage, run, videos)
        threads = processors(run, videos, on_gpu=self.rates.on_gpu)
        parts = devices * (1 if self.rates.on_gpu else threads)
        seconds = START_SECONDS + clips / (rate.clips * parts)
        memory = _memory(stage, run, videos, on_gpu=self.rates.on_gpu)
        return Needs(seconds, rate.measured, memory, devices * threads, devices)


def processors(run: Any, videos: Videos, *, on_gpu: bool) -> int:
    """Of a training process: the readers' and two more to build batches, or else to compute on."""
    readers = run.progress.workers
    readers = READERS[videos.form] if readers is None else readers
    return readers + 2 if on_gpu else 1


def views(run: Any) -> int:
    """How many clips a video is in a step of pretraining."""
    if run.pretrain.labels:
        return 1
    [objective] = typed(run, "objective")
    return len({view for term in objective.in_use().values() for view in term.views()})


def feature_bytes(run: Any, videos: Videos) -> float:
    """About as large as a table of features is."""
    return 4.0 * LEVELS * run.backbone.get("width", 1.0) * videos.all


def _clips(stage: str, run: Any, videos: Videos) -> float:
    """Clips of a stage as steps of training: those that only pass forward count for a share."""
    tested = run.inference.clips * FORWARD_SHARE
    if stage == "pretrain":
        if run.encoder is not None:
            return 0.0
        return run.pretrain.epochs * run.pretrain.epochs_factor * videos.trained * views(run)
    if stage == "embed":  # as they are, still and shuffled
        return 3 * videos.all * tested
    frozen = run.finetune.frozen is not None
    trained = run.finetune.epochs * videos.trained * (FORWARD_SHARE if frozen else 1)
    return trained + videos.tested * tested * run.finetune.crops


def _memory(stage: str, run: Any, videos: Videos, *, on_gpu: bool) -> int:
    """MiB of a training or an embedding, on all its processes."""
    frame = run.clip.pixels**2
    clip = 4.0 * 3 * run.clip.frames * frame
    feature_map = 4.0 * 64 * run.backbone.get("width", 1.0) * run.clip.frames * frame / 4
    devices = run.progress.devices if stage == "pretrain" else 1
    if stage == "pretrain":
        clips = run.pretrain.batch_size * views(run) / devices
        held = min(clips, (run.pretrain.chunk or math.inf) * views(run))
        held = held if run.pretrain.epochs and run.encoder is None else 0
    elif stage == "finetune":
        clips = held = max(run.finetune.batch_size, run.inference.batch_size * FORWARD_SHARE)
    else:
        clips, held = run.inference.batch_size, run.inference.batch_size * FORWARD_SHARE
    readers = run.progress.workers
    ahead = 1 + (READERS[videos.form] if readers is None else readers)
    batches = clips * clip / 4 * ahead  # bytes of frames as they are read
    weights = 4 * 4.0 * parameters(run)  # with gradients, momentum and a copy to save
    step = DRIVER if on_gpu else INPUT_COPIES * held * clip + ACTIVATIONS * held * feature_map
    features = feature_bytes(run, videos) if stage == "embed" else 0.0
    mapped = min(MAPPED, videos.bytes)
    return _mib(devices * (LIBRARIES + batches + weights + step) + features, mapped)


def _mib(size: float, mapped: float | int = 0) -> int:
    return math.ceil((MARGIN * size + mapped) / MIB)
