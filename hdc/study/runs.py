"""What a study is made of: encoders, their evaluations, and where each puts its files."""

from dataclasses import dataclass

from hdc.study.stages import RUN, SPLIT


@dataclass(frozen=True)
class Run:
    """One pretrained encoder: a backbone, an ablation, a seed and what it was pretrained on."""

    study: str
    backbone: str
    ablation: str
    seed: int
    pretrained_on: str  # a data set, or `<data set>-split<K>` for the training part of a split

    @property
    def folder(self) -> str:
        """Where its encoder and record lie."""
        return RUN.format(**vars(self))


@dataclass(frozen=True)
class Evaluation:
    """One encoder judged on one split of one data set."""

    run: Run
    data: str
    split: int

    @property
    def folder(self) -> str:
        """Where its records lie."""
        return SPLIT.format(**vars(self.run), data=self.data, split=self.split)


def part_of(pretrained_on: str) -> tuple[str, int | None]:
    """Data set and split of `kinetics400` (None: all videos) or `ucf101-split1`."""
    name, _, split = pretrained_on.partition("-split")
    return name, int(split) if split else None
