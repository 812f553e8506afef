"""Refuses to judge an encoder on what it was trained on, and splits that share a file."""

from pathlib import Path
from typing import Any

import pandas as pd

from hdc.data.index import read_table
from hdc.encoders.file import encoder_facts, pretraining_list
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError

SHOWN = 3  # names in a message


def require_apart(index: pd.DataFrame, split: pd.DataFrame, *, allow: bool) -> dict[str, int]:
    """Raise InputError if files of equal content stand in different parts of a split.

    `allow`: go on. Returns what a record has to say of it: how many test videos have a copy in
    train or val. That no video and no group stands in two parts is asserted where a split is read.
    """
    usable = split[["video", "part"]].merge(index[["video", "sha256"]], on="video")
    parts = usable.groupby("sha256").part.transform("nunique")
    copies = usable[parts > 1].sort_values(["sha256", "video"])
    if not len(copies):
        return {}
    if not allow:
        first = copies[copies.sha256 == copies.sha256.iloc[0]]
        names = ", ".join(f"{row.video} ({row.part})" for row in first.itertuples())
        raise InputError(
            f"expected no file twice in different parts of a split, found {len(copies)} that are, "
            f"such as {names}; take the copies out, or say allow_copies: true in the study"
        )
    return {"test_videos_with_copies_in_training": int((copies.part == "test").sum())}


def require_unseen(
    encoder: str | Path, index: pd.DataFrame, split: pd.DataFrame, *, allow: bool
) -> dict[str, Any]:
    """Raise InputError if a test video of the split was pretrained on, by the file's checksum.

    `allow`: go on. Returns what a record has to say of it: how many test videos were seen, or that
    nobody knows. Raises InputError, too, if the list beside the encoder is not the one it names.
    """
    facts, path = encoder_facts(encoder), pretraining_list(encoder)
    listed = read_table(path, ("video", "sha256"), made_by="hdc.pretrain")
    if facts["videos"] != digest(path.read_text()):
        raise InputError(
            f"{path}: expected the list of videos that {encoder} was made from, found another; "
            "pretrain it again"
        )
    tested = index[index.video.isin(split.video[split.part == "test"])]
    leaked = tested.video[tested.sha256.isin(set(listed.sha256))]
    if len(leaked) and not allow:
        raise InputError(
            f"{encoder}: expected an encoder that saw no test video, found {len(leaked)} of "
            f"{len(tested)} in {path}, such as {', '.join(leaked[:SHOWN])}; pretrain on a training "
            "part, or say allow_pretrain_on_test: true in the study"
        )
    if not facts.get("videos_known", True):
        return {"pretraining_videos_unknown": facts.get("pretrained_on", "not said")}
    return {"pretrained_on_test_videos": len(leaked)} if len(leaked) else {}
