"""Whether a study has as many videos to train on as its batches take, told at planning."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from hdc.data.index import missing_videos, read_table
from hdc.data.preparation.sources import list_videos
from hdc.runtime.errors import InputError
from hdc.settings.compose import typed
from hdc.settings.data import Data
from hdc.settings.files import file_of
from hdc.study.runs import part_of
from hdc.study.study import Source, Study


def require_enough_videos(study: Study, sources: Mapping[str, Source]) -> None:
    """Refuse a batch of more videos than a training has, as far as the data sets' lists tell.

    Files that turn out unusable may make them fewer still. Raises InputError that names the file
    and the key to change.
    """
    known: dict[tuple[str, int | None, bool], int | None] = {}
    for backbone, ablation, stage, data, split in _trainings(study):
        # Pretraining is told no protocol.
        told = replace(study, protocol="ours") if stage == "pretrain" else study
        run = told.compose(backbone, ablation, data)
        if stage == "pretrain" and run.encoder is not None:
            continue  # taken over, not trained
        alone = stage == "finetune" and run.finetune.checkpoint == "best_on_validation"
        part = (data, split, alone)
        if part not in known:
            known[part] = _most_videos(typed(run, "data")[0], sources[data], *part)
        most, key = known[part], f"{stage}.batch_size"
        if most is not None and run[stage].batch_size > most:
            where = f"split {split} of {data}" if split else data
            raise InputError(
                f"{file_of(key, told.choices(backbone, ablation, data))}: {key}: expected at most "
                f"{most:,}, the videos to train on in {where}, got {run[stage].batch_size:,}; "
                "make it smaller there, or train on more videos"
            )


def _trainings(study: Study) -> Iterator[tuple[str, str, str, str, int | None]]:
    """Backbone, run, stage, data set and split (None: all videos) of every training, each once."""
    trainings = {}
    for evaluation in study.evaluations():
        pretrained, run = study.pretrained(evaluation), evaluation.run
        part = part_of(pretrained.pretrained_on)
        trainings[pretrained.backbone, pretrained.ablation, "pretrain", *part] = None
        trainings[run.backbone, run.ablation, "finetune", evaluation.data, evaluation.split] = None
    return iter(trainings)


def _most_videos(
    settings: Data, source: Source, data: str, split: int | None, alone: bool
) -> int | None:
    """How many videos there can be to train on; None: nothing tells. `alone`: without validation.

    Made ones: by their settings; published ones: by their lists; those of a folder: by its files;
    where the originals are gone: by what was prepared.
    """
    if made := settings.synthetic:
        extra = [0 if alone else made.validation_videos, 0 if split else made.test_videos]
        return made.train_videos + sum(extra)
    prepared = Path("results/data", data)
    if not Path(source.folder).is_dir():
        return _prepared_videos(prepared, split, alone)
    if settings.official is not None:
        published = settings.official  # some may be missing today and there tomorrow
        if split is None and published.test_videos:
            return None  # some lists leave videos out of both parts
        return published.train_videos[split - 1 if split else 0]
    if settings.folder.segment_seconds is not None:
        return _prepared_videos(prepared, split, alone)  # decoding tells how many pieces there are
    listing = list_videos(settings, source.folder)
    return _count(listing.splits[split - 1], alone) if split else len(listing.videos)


def _prepared_videos(prepared: Path, split: int | None, alone: bool) -> int | None:
    """The videos of a prepared data set to train on that are not missing."""
    lists = prepared / (f"split{split}.csv" if split else "listed.csv")
    if not lists.is_file():
        return None
    table, missing = read_table(lists, ("video",)), missing_videos(prepared)
    table = table[~table.video.isin(missing)]
    return _count(table, alone) if split else len(table)


def _count(split: pd.DataFrame, alone: bool) -> int:
    parts = ("train",) if alone else ("train", "val")
    return int(split.part.isin(parts).sum())
