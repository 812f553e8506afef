"""Group-wise folds: clips of one group never stand on both sides of a split."""

import pandas as pd

from hdc.runtime.errors import InputError
from hdc.runtime.seeding import generator


def folds_by_group(
    listed: pd.DataFrame, *, folds: int, validation_groups: int, seed: int
) -> list[pd.DataFrame]:
    """One table `video, part` a fold: fold K is the test part of split K, each group whole.

    Groups go to the folds in turn, in an order drawn from `seed`; if there is one group a fold, in
    the order of their names. Validation is `validation_groups` groups of the rest.
    Raises InputError if there are fewer groups than folds, or no group is left to train on, or a
    label would be tested without having been trained.
    """
    groups = sorted(listed.group.unique())
    if len(groups) < folds:
        raise InputError(
            f"folds: expected at most the number of groups, {len(groups)}, got {folds}; "
            "lower data.folder.folds, or let the pattern name a finer group"
        )
    if len(groups) > folds:
        generator(seed, "folds").shuffle(groups)
    splits = []
    for fold in range(folds):
        test = set(groups[fold::folds])
        remaining = [group for group in groups if group not in test]
        generator(seed, "validation", fold).shuffle(remaining)
        validation = set(remaining[:validation_groups])
        parts = [_part(group, test, validation) for group in listed.group]
        splits.append(pd.DataFrame({"video": listed.video, "part": parts}))
        _require_trained(listed, splits[-1], fold + 1)
    return splits


def _part(group: str, test: set[str], validation: set[str]) -> str:
    return "test" if group in test else "val" if group in validation else "train"


def _require_trained(listed: pd.DataFrame, split: pd.DataFrame, number: int) -> None:
    """Refuse a split that tests a label it never trains on."""
    labels = {part: set(listed.label[split.part == part]) for part in ("train", "test")}
    untrained = sorted(labels["test"] - labels["train"])
    if untrained:
        videos = int((listed.label == untrained[0]).sum())
        groups = listed.group[listed.label == untrained[0]].nunique()
        raise InputError(
            f"split {number}: expected every tested label in train, found none of {untrained[0]} "
            f"({videos} videos in {groups} groups); add videos of other groups, or leave it out"
        )


def hold_out_groups(
    listed: pd.DataFrame, parts: dict[str, str], *, groups: int, seed: int, split: int
) -> pd.DataFrame:
    """A table `video, part` of an official split: train, val and test.

    `parts` says train or test by video. Of each label `groups` groups of train become val, whole,
    drawn from `seed`, split and label, so that no label's draw depends on another's.
    Raises InputError if a label has no more groups in train than that.
    """
    table = listed.assign(part=listed.video.map(parts)).dropna(subset="part")
    held_out: set[str] = set()
    for label, rows in table[table.part == "train"].groupby("label"):
        names = sorted(rows.group.unique())
        if len(names) <= groups:
            raise InputError(
                f"data.official.validation_groups: expected fewer than the groups of {label} in "
                f"train of split {split}, {len(names)}, got {groups}"
            )
        generator(seed, "validation", split, str(label)).shuffle(names)
        held_out.update(names[:groups])
    validation = (table.part == "train") & table.group.isin(held_out)
    return table[["video", "part"]].assign(part=table.part.mask(validation, "val"))
