"""Folds by group or by pair: clips of one group never stand on both sides of a split."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd

from hdc.runtime.errors import InputError
from hdc.runtime.seeding import generator

OBJECT = "object"  # the column, and the group of a pattern: what a label is done to, or with
Pair = tuple[str, str]  # label and object


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


def folds_by_pair(
    listed: pd.DataFrame, *, folds: int, validation_groups: int, seed: int
) -> list[pd.DataFrame]:
    """One table `video, part` a fold, whose tested pairs of label and object are in no other part.

    Label and object of each are trained on in other pairs, so it is their combination that is new;
    a pair that this is not possible for is never tested. Pairs are dealt to folds in an order drawn
    from `seed`. No group stands in two parts: of those that show tested pairs and others, such as
    people who do everything, one in `folds` is tested and the rest are trained on, and their videos
    of the other kind are in no part. Validation is `validation_groups` groups of training.
    Source: the compositional split of Something-Else (arXiv 1912.09930), with groups kept apart.
    Raises InputError if a fold has nothing to test, or tests a label or object without training.
    """
    if OBJECT not in listed:
        raise InputError(
            "data.folder.pattern: expected a group (?P<object>...), since data.folder.unseen is "
            "pairs, found none"
        )
    pairs = pd.Series([*zip(listed.label, listed[OBJECT], strict=True)], index=listed.index)
    groups, splits = sorted(listed.group.unique()), []
    generator(seed, "folds").shuffle(groups)
    for fold, tested in enumerate(_tested_pairs(pairs, folds, seed)):
        new = pairs.isin(tested)
        both = set(listed.group[new]) & set(listed.group[~new])
        ours = both.intersection(groups[fold::folds])
        in_test = new & ~listed.group.isin(both - ours)
        kept = in_test | (~new & ~listed.group.isin(ours))
        splits.append(_with_validation(listed[kept], in_test[kept], validation_groups, seed, fold))
    return splits


def _with_validation(
    listed: pd.DataFrame, in_test: pd.Series, validation_groups: int, seed: int, fold: int
) -> pd.DataFrame:
    """A table `video, part` of videos that are tested or not; see `folds_by_pair`."""
    if not in_test.any():
        raise InputError(
            f"split {fold + 1}: expected videos of groups to test, found none; lower "
            "data.folder.folds, or let the pattern name a finer group"
        )
    remaining = sorted(set(listed.group[~in_test]))
    generator(seed, "validation", fold).shuffle(remaining)
    in_validation = listed.group.isin(remaining[:validation_groups])
    parts = pd.Series("train", listed.index).mask(in_validation, "val").mask(in_test, "test")
    split = pd.DataFrame({"video": listed.video, "part": parts})
    for column in ("label", OBJECT):
        _require_trained(listed.assign(label=listed[column]), split, fold + 1)
    return split.reset_index(drop=True)


def _tested_pairs(known: Iterable[Pair], folds: int, seed: int) -> list[set[Pair]]:
    """The pairs that each fold tests: label and object of each are left in another pair."""
    pairs = set(known)
    names = {"label": sorted({pair[0] for pair in pairs}), OBJECT: sorted({p[1] for p in pairs})}
    for column, values in names.items():
        generator(seed, "pairs", column).shuffle(values)
    dealt: list[list[Pair]] = [[] for _ in range(folds)]
    for place, label in enumerate(names["label"]):
        own = [(label, thing) for thing in names[OBJECT] if (label, thing) in pairs]
        for number, pair in enumerate(own):
            dealt[(place + number) % folds].append(pair)  # of a full table a diagonal each
    tested = []
    for fold in dealt:
        left = Counter(("label", label) for label, _ in pairs)
        left.update((OBJECT, thing) for _, thing in pairs)
        tested.append(set())
        for label, thing in fold:
            if min(left["label", label], left[OBJECT, thing]) > 1:
                tested[-1].add((label, thing))
                left.subtract([("label", label), (OBJECT, thing)])
    if not all(tested):
        raise InputError(
            f"data.folder.folds: expected in each of {folds} folds a pair of label and object that "
            f"both stand in other pairs, too, found none in fold {tested.index(set()) + 1} of "
            f"{len(pairs)} pairs; lower it, or add videos"
        )
    return tested


def pair_facts(index: pd.DataFrame, split: pd.DataFrame) -> dict[str, Any]:
    """For a record's protocol: how many tested pairs of label and object training has not seen.

    Empty where nothing tells the objects.
    """
    if OBJECT not in index:
        return {}
    rows = index[["video", "label", OBJECT]].merge(split[["video", "part"]], on="video")
    pairs = {
        tested: set(zip(some.label, some[OBJECT], strict=True))
        for tested, some in rows.groupby(rows.part == "test")
    }
    tested = pairs.get(True, set())
    unseen = len(tested - pairs.get(False, set()))
    return {"pairs_of_label_and_object": f"{len(tested)} tested, {unseen} of them not trained on"}


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
