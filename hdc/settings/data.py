"""What the settings of a data set mean: where its videos come from, which are sound, how they are
stored.

As in `hdc.settings.schema`: `check` raises ValueError as `<key>: expected <what>, got <found>`.
"""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from hdc.settings.added import added, once_named
from hdc.settings.checks import require, require_choice, require_positive, require_share


@dataclass
class FolderData:
    """Videos of the user's own, labelled by their paths or by a list of pieces."""

    # Regular expression on the path below the folder; groups: label, group, object.
    pattern: str = MISSING
    folds: int = MISSING  # splits, group-wise: fold K is the test part of split K; 0: no splits
    validation_groups: int = MISSING  # groups of each training part that only choose settings
    unseen: str = added("groups")  # what of a test part is not trained on; pairs: of label and
    #   object, both of which are trained on in other pairs
    segments: str | None = added(None)  # a CSV in the folder: labelled pieces of its files
    segment_seconds: float | None = added(None)  # every file is cut into equal pieces about so long

    def check(self) -> None:
        require_choice("unseen", self.unseen, ("groups", "pairs"))
        require(
            "folds", self.folds, self.folds == 0 or self.folds >= 2, "at least 2, or 0 for none"
        )
        if self.segment_seconds is not None:
            require_positive(self, "segment_seconds")
            alone = self.segments is None
            require("segment_seconds", self.segment_seconds, alone, "null beside segments")
        require(
            "validation_groups", self.validation_groups, self.validation_groups >= 1, "1 or more"
        )


READERS_ONCE_NAMED = {
    "hdc.data.official.ucf101.read_lists": "ucf101",
    "hdc.data.official.hmdb51.read_lists": "hmdb51",
    "hdc.data.official.kinetics.read_lists": "kinetics400",
}


@dataclass
class OfficialData:
    """A published data set, with the lists and the splits that its authors distribute."""

    lists: Any = once_named(READERS_ONCE_NAMED)  # a part: the function that reads them
    labels: int = MISSING  # as published; so for the next two
    train_videos: list[int] = MISSING  # one number a training list
    test_videos: list[int] = MISSING  # one number a split; none: for pretraining only
    validation_groups: int = MISSING  # groups of each label in train that only choose settings

    def check(self) -> None:
        named = isinstance(self.lists, dict) and isinstance(self.lists.get("_target_"), str)
        expected = "a function as _target_, such as hdc.data.official.ucf101.read_lists"
        require("lists", self.lists, named, expected)
        require_positive(self, "labels", "validation_groups")
        train, test = list(self.train_videos), list(self.test_videos)
        require("train_videos", train, train and min(train) > 0, "one or more numbers above 0")
        fits = len(test) in (0, len(train)) and all(number > 0 for number in test)
        require("test_videos", test, fits, f"none, or {len(train)} numbers above 0")

    @property
    def reader(self) -> str:
        """The module of the function that reads the lists, without its package."""
        return self.lists["_target_"].split(".")[-2]


@dataclass
class SyntheticData:
    """Videos made by `hdc.data.synthetic.videos`, with known factors."""

    shapes: list[str] = MISSING
    motions: list[str] = MISSING
    train_videos: int = MISSING
    validation_videos: int = MISSING
    test_videos: int = MISSING
    train_backgrounds: int = MISSING  # shared by train and validation, none in both
    test_backgrounds: int = MISSING  # never seen in training
    frames: int = MISSING  # per video
    pixels: int = MISSING  # height and width
    frames_per_second: int = MISSING
    appearance_change: float = MISSING  # 0 to 1: how fast background, light and colors change
    stripes: bool = MISSING  # backgrounds have them, in one of as many directions as motions
    shortcut: float = MISSING  # share of training videos whose stripes tell their motion
    test_shortcut: str = MISSING  # the same of test videos: none, same or reversed
    seed: int = MISSING

    def check(self) -> None:
        require_positive(self, "train_videos", "validation_videos", "test_videos", "frames")
        require_positive(self, "pixels", "frames_per_second")
        require_share(self, "appearance_change", "shortcut")
        led = self.shortcut > 0 or self.test_shortcut != "none"
        require("stripes", self.stripes, self.stripes or not led, "true where there is a shortcut")


@dataclass
class Images:
    """Videos that are folders of numbered images, JPEG or PNG, each a frame."""

    frames_per_second: float = MISSING  # nothing in such a folder tells it

    def check(self) -> None:
        require_positive(self, "frames_per_second")


SOURCES = ("folder", "official", "synthetic")


@dataclass
class Data:
    """A data set; exactly one of its sources is given."""

    folder: FolderData | None = None
    official: OfficialData | None = None
    synthetic: SyntheticData | None = None
    seed: int = MISSING  # draws folds and validation groups
    images: Images | None = added(None)  # null: videos are files

    def check(self) -> None:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        expected = f"exactly one of {', '.join(SOURCES)}"
        require("data", ", ".join(given) or "none", len(given) == 1, expected)
        made = self.synthetic is not None
        require("images", self.images, self.images is None or not made, "null beside synthetic")

    @property
    def splits(self) -> int:
        """How many splits there are, counted from 1; 0 if the videos are for pretraining only."""
        if self.official is not None:
            return len(self.official.test_videos)
        return self.folder.folds if self.folder is not None else 1


@dataclass
class Decoding:
    """Which files are sound, and what decoding one, in a process of its own, may cost."""

    containers: list[str] = MISSING  # names of FFmpeg's demuxers; any other is refused
    codecs: list[str] = MISSING  # likewise of codecs
    # Likewise, also taken of a user's own folder. In these containers nothing tells a cut file.
    other_containers: list[str] = added(
        ["asf", "dv", "flv", "gif", "h264", "hevc", "mpeg", "mpegts", "ogg", "webp"]
    )
    other_codecs: list[str] = added(
        [
            "dvvideo", "ffvhuff", "flv1", "gif", "h263", "huffyuv", "msmpeg4v1", "msmpeg4v2",
            "png", "prores", "rawvideo", "theora", "utvideo", "vc1", "vp6f", "webp", "wmv1",
            "wmv2", "wmv3",
        ]
    )  # fmt: skip
    assumed_fps: float = added(25.0)  # frames a second of a file that does not tell
    frame_count_tolerance: int = MISSING  # frames a file's header may claim too many
    frame_pixels: int = MISSING  # width times height, at most
    seconds: float = MISSING  # of wall time for any file, and of processor time alike
    seconds_per_second: float = MISSING  # and for each second that the file claims to last
    memory_gib: float = MISSING  # of address space

    @property
    def all_containers(self) -> list[str]:
        return [*self.containers, *self.other_containers]

    @property
    def all_codecs(self) -> list[str]:
        return [*self.codecs, *self.other_codecs]

    def check(self) -> None:
        require_positive(self, "frame_pixels", "seconds", "seconds_per_second", "memory_gib")
        require_positive(self, "assumed_fps")
        tolerance = self.frame_count_tolerance
        require("frame_count_tolerance", tolerance, tolerance >= 0, "0 or more")
        for key in ("containers", "codecs"):
            require(key, list(getattr(self, key)), len(getattr(self, key)), "at least one name")


@dataclass
class Store:
    """How decoded videos lie on the disk."""

    short_side: int = MISSING  # stored height or width in pixels, the smaller of the two
    form: str = MISSING  # raw: uint8 frames; h264: small and slower; auto: raw while it fits
    raw_gib: float = MISSING  # auto: raw up to this size of the whole data set
    shard_videos: int = MISSING  # videos a file of the store, which is also one job
    key_frame_every: int = MISSING  # h264: frames; a clip decodes from the key frame before it
    rate_factor: int = MISSING  # h264: x264's constant rate factor; lower is closer and larger
    fps: float | None = added(None)  # frames a second of every video; null: as they are

    def check(self) -> None:
        if self.fps is not None:
            require_positive(self, "fps")
        require_positive(self, "short_side", "raw_gib", "shard_videos", "key_frame_every")
        require_choice("form", self.form, ("auto", "raw", "h264"))
        require("rate_factor", self.rate_factor, 0 < self.rate_factor <= 51, "1 to 51")
