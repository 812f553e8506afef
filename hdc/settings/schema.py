"""What every setting means: its type, its unit and its limits. Values stand in `hdc/conf/`.

Those of a data set stand in `hdc.settings.data`, of an objective in `hdc.settings.objective`, of
judging frozen features in `hdc.settings.evaluation`.
`check` raises ValueError for a value out of its limits, as `<key>: expected <what>, got <found>`;
the key is relative to the node, and `hdc.settings.compose` adds the node and the file that sets it.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from omegaconf import MISSING

from hdc.settings.added import added
from hdc.settings.checks import require, require_choice, require_positive, require_share
from hdc.settings.data import Data, Decoding, Store
from hdc.settings.evaluation import Evaluate, TimeProbes
from hdc.settings.objective import Objective


@dataclass
class About:
    """Why a run exists; read by people and by the report, never by training."""

    question: str = MISSING
    paper: str = MISSING  # where the paper shows it, or "not in the paper"


@dataclass
class Clip:
    """What a network sees of a video at once."""

    frames: int = MISSING
    stride: int = MISSING  # frames of the video from one frame of the clip to the next
    pixels: int = MISSING  # height and width
    minimum_distance: int = MISSING  # frames between the starts of a video's crops, at least
    maximum_distance: int | None = MISSING  # and at most from the first crop's; null: no limit

    def check(self) -> None:
        require_positive(self, "frames", "stride", "pixels")
        least, greatest = self.minimum_distance, self.maximum_distance
        require("minimum_distance", least, least >= 0, "0 or more")
        if greatest is not None:
            require("maximum_distance", greatest, greatest >= least, "minimum_distance or more")


@dataclass
class Augment:
    """Spatial augmentation: one draw a clip, the same for all its frames."""

    crop_area: list[float] = MISSING  # least and greatest share of the frame's area
    crop_aspect: list[float] = MISSING  # least and greatest width / height
    flip: float = MISSING  # probability of a horizontal flip
    jitter: float = MISSING  # probability of the colour jitter
    brightness: float = MISSING  # factor drawn from 1 - this to 1 + this; so for the next two
    contrast: float = MISSING
    saturation: float = MISSING
    hue: float = MISSING  # shift drawn from - this to + this, in turns of the colour wheel
    greyscale: float = MISSING  # probability
    blur: float = MISSING  # probability
    blur_sigma: list[float] = MISSING  # least and greatest, as a share of the clip's side
    noise: float = MISSING  # standard deviation per pixel and frame, from black to white being 1

    def check(self) -> None:
        require_share(self, "flip", "jitter", "brightness", "contrast", "saturation")
        require_share(self, "greyscale", "blur", "noise")
        require("hue", self.hue, 0 <= self.hue <= 0.5, "0 to 0.5")
        for key in ("crop_area", "crop_aspect", "blur_sigma"):
            value = list(getattr(self, key))
            ordered = len(value) == 2 and 0 < value[0] <= value[1]
            require(key, value, ordered, "two numbers above 0, the least first")
        require("crop_area", list(self.crop_area), self.crop_area[1] <= 1, "at most 1")


@dataclass
class Steps:
    """Steps of an optimizer."""

    optimizer: str = MISSING
    learning_rate: float = MISSING  # at its peak, after warm-up
    momentum: float = MISSING
    weight_decay: float = MISSING
    warmup_epochs: float = MISSING  # linear, from 0
    schedule: str = MISSING  # after the warm-up; cosine: half of one, down to 0; constant

    def check(self) -> None:
        require_positive(self, "learning_rate")
        require_share(self, "momentum")
        for key in ("weight_decay", "warmup_epochs"):
            require(key, getattr(self, key), getattr(self, key) >= 0, "0 or more")
        require_choice("optimizer", self.optimizer, ("sgd", "adamw"))
        require_choice("schedule", self.schedule, ("cosine", "constant"))


@dataclass
class Optimization(Steps):
    """Steps over whole epochs, and how they are computed."""

    epochs: int = MISSING  # passes over the training videos
    batch_size: int = MISSING  # videos per step, summed over processes
    precision: str = MISSING  # of Lightning Fabric; auto: bf16-mixed on GPUs that have it; on a
    #   processor bf16-mixed is refused unless every layer is found to agree with float64
    compile: bool = MISSING  # torch.compile, of encoder and augmentation
    deterministic: bool = MISSING  # on GPUs, too, at some cost; processors are

    def check(self) -> None:
        super().check()
        require("epochs", self.epochs, self.epochs >= 0, "0 or more")
        require("batch_size", self.batch_size, self.batch_size >= 2, "at least 2 videos")
        require_choice("precision", self.precision, ("auto", "32-true", "bf16-mixed"))


@dataclass
class Pretrain(Optimization):
    """How an encoder is pretrained; with 0 epochs it stays as initialized."""

    epochs_factor: float = MISSING  # multiplies epochs, whatever the scale says of them
    labels: bool = MISSING  # true: learn the labels of the training part instead of contrasting
    chunk: int | None = MISSING  # videos in memory at a time; null: all; ignored with labels
    sync_batch_norm: bool = MISSING  # with several GPUs: statistics over all of them

    def check(self) -> None:
        super().check()
        require_positive(self, "epochs_factor")
        if self.chunk is not None:
            require_positive(self, "chunk")
            # Checkpointing inside of what is compiled failed within torch; around a compiled
            # encoder it was tried only as far as capturing its graph.
            require("compile", self.compile, not self.compile, "false beside pretrain.chunk")


@dataclass
class Frozen(Steps):
    """How a head learns on an encoder that stays as it is."""

    head: str = MISSING  # linear: on the mean over time, height and width; attentive: on what one
    #   learned query attends to of all times and places
    # Of the attentive head, which share the last level's channels; null beside a linear one.
    attention_heads: int | None = MISSING
    dropout: float = MISSING  # probability, before the last layer

    def check(self) -> None:
        super().check()
        require_choice("head", self.head, ("linear", "attentive"))
        heads, attentive = self.attention_heads, self.head == "attentive"
        expected = "1 or more" if attentive else "null beside a linear head"
        fits = (heads is not None and heads >= 1) if attentive else heads is None
        require("attention_heads", heads, fits, expected)
        require_share(self, "dropout")


@dataclass
class Finetune(Optimization):
    """How the whole network is trained on labels, with a linear head, and tested."""

    dropout: float = MISSING  # probability, before the linear head
    class_balanced: bool = MISSING  # true: all labels weigh alike, however many videos they have
    checkpoint: str = MISSING  # last: of a fixed number of epochs, trained on train + val;
    #   best_on_validation: the epoch of the least loss on val, trained on train alone
    crops: int = MISSING  # squares of each tested clip; 1: the central; 3: along the longer side
    average: str = MISSING  # of a video's clips: probabilities or logits
    augment: Augment = field(default_factory=Augment)
    # A head learns, the encoder does not; what this says wins over the same above, which a scale
    # means for the whole network. null: the whole network learns.
    frozen: Frozen | None = added(None)

    def check(self) -> None:
        super().check()
        require("epochs", self.epochs, self.epochs >= 1, "1 or more")
        require_share(self, "dropout")
        require_choice("checkpoint", self.checkpoint, ("last", "best_on_validation"))
        require("crops", self.crops, self.crops in (1, 3), "1 or 3")
        require_choice("average", self.average, ("probabilities", "logits"))
        # An epoch that is chosen for the head of plain clips would favor it over the controls'.
        fits = self.frozen is None or self.checkpoint == "last"
        require("checkpoint", self.checkpoint, fits, "last beside finetune.frozen")

    @property
    def in_force(self) -> "Finetune":
        """The same with what `frozen` says in its place."""
        if self.frozen is None:
            return self
        names = {entry.name for entry in fields(Finetune)}
        said = {name: value for name, value in vars(self.frozen).items() if name in names}
        return replace(self, **said)


@dataclass
class Inference:
    """How a video becomes one prediction or one row of features."""

    clips: int = MISSING  # per video, spread evenly
    crop: float = MISSING  # side of the central square, as a share of the shorter side
    batch_size: int = MISSING  # clips per forward pass

    def check(self) -> None:
        require_positive(self, "clips", "batch_size")
        require("crop", self.crop, 0 < self.crop <= 1, "a share above 0, at most 1")


@dataclass
class Progress:
    """How a training runs on this machine; Snakemake ignores it, since no result depends on it."""

    log_every_steps: int = MISSING
    save_every_minutes: float = MISSING  # the most that is lost when a job is killed
    workers: int | None = None  # threads that read clips; 0: none; null: by the store's form
    devices: int = MISSING  # GPUs, or processes on a processor, that share a pretraining
    tensorboard: bool = MISSING  # event files beside the log; needs the package tensorboard
    channels_last: bool | None = None  # weights' layout; null: true on a processor alone
    cudnn_benchmark: bool = False  # cuDNN tries its algorithms first; not where deterministic

    def check(self) -> None:
        require_positive(self, "log_every_steps", "save_every_minutes", "devices")
        minutes = self.save_every_minutes
        require("save_every_minutes", minutes, minutes <= 10, "at most 10")
        workers = self.workers
        require("workers", workers, workers is None or workers >= 0, "null, or 0 or more")


@dataclass
class Config:
    """Top level. A key that is absent here is an error when the run is composed."""

    about: About = field(default_factory=About)
    pretrained_by: str | None = None  # run whose encoder to evaluate; null: this one's own
    encoder: str | None = None  # file of an encoder to take over, not to train; null: train one
    data: Data = field(default_factory=Data)
    decoding: Decoding = field(default_factory=Decoding)
    store: Store = field(default_factory=Store)
    backbone: Any = MISSING  # a part: built from `_target_`, checked against its signature
    clip: Clip = field(default_factory=Clip)
    objective: Objective = field(default_factory=Objective)
    augment: Augment = field(default_factory=Augment)
    pretrain: Pretrain = field(default_factory=Pretrain)
    # Runs that do better with another pretrain.learning_rate than the rest: found on validation
    # videos, with as many tries for every run. A scale says so, since rates depend on it; what a
    # run's own file says of its rate wins.
    learning_rates: dict[str, float] = field(default_factory=dict)
    finetune: Finetune = field(default_factory=Finetune)
    inference: Inference = field(default_factory=Inference)
    time_probes: TimeProbes = field(default_factory=TimeProbes)
    evaluate: Evaluate = field(default_factory=Evaluate)
    progress: Progress = field(default_factory=Progress)

    def check(self) -> None:
        if self.time_probes.videos:
            frames = self.clip.frames
            require("clip.frames", frames, frames >= 2, "at least 2 beside time_probes.videos")
        if self.objective.normalize:  # gradients of a chunk are no gradients of the batch
            chunk = self.pretrain.chunk
            require("pretrain.chunk", chunk, chunk is None, "null beside objective.normalize")
        if self.encoder is None:
            return
        require("encoder", "none", self.encoder, "a path")
        for key, value in (
            ("pretrained_by", self.pretrained_by),
            ("objective.measured_by", self.objective.measured_by),
            ("pretrain.labels", self.pretrain.labels or None),
        ):
            require(key, value, value is None, "nothing beside an encoder to take over")
