"""Refuses to judge an encoder on videos that it was pretrained on."""

from pathlib import Path

import pandas as pd

from hdc.data.index import read_table
from hdc.errors import InputError


def pretraining_list(encoder: str | Path) -> Path:
    """The list of videos that an encoder saw; it lies beside the encoder."""
    return Path(encoder).with_name("videos.csv")


def require_unseen(encoder: str | Path, index: pd.DataFrame, split: pd.DataFrame) -> None:
    """Raise InputError if a test video of the split was pretrained on, by the file's checksum."""
    path = pretraining_list(encoder)
    seen = set(read_table(path, ("video", "sha256"), made_by="hdc.pretrain").sha256)
    tested = index[index.video.isin(split.video[split.part == "test"])]
    leaked = tested.video[tested.sha256.isin(seen)]
    if len(leaked):
        raise InputError(
            f"{encoder}: expected an encoder that saw no test video, found {len(leaked)} of "
            f"{len(tested)} in {path}, such as {leaked.iloc[0]}; pretrain on a training part, "
            "and keep copies of a file in one part"
        )
