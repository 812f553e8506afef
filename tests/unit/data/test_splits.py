import pandas as pd
import pytest

from hdc.data.splits import folds_by_group
from hdc.runtime.errors import InputError


def listed(groups=4, labels=("run", "walk")):
    rows = [(f"{label}/{g}.avi", label, f"person{g}") for label in labels for g in range(groups)]
    return pd.DataFrame(rows, columns=["video", "label", "group"])


def test_every_group_is_tested_once_and_stays_together():
    table = listed(groups=7)
    splits = folds_by_group(table, folds=3, validation_groups=1, seed=0)
    tested = [video for split in splits for video in split.video[split.part == "test"]]
    assert sorted(tested) == sorted(table.video)
    for split in splits:
        parts = split.part.groupby(table.group).nunique()
        assert (parts == 1).all()
        assert table.group[split.part == "val"].nunique() == 1


def test_one_group_a_fold_goes_by_name():
    table = listed(groups=4)
    splits = folds_by_group(table, folds=4, validation_groups=1, seed=0)
    tested = [set(table.group[split.part == "test"]) for split in splits]
    assert tested == [{f"person{g}"} for g in range(4)]


def test_the_seed_decides():
    def parts(seed):
        splits = folds_by_group(listed(groups=9), folds=3, validation_groups=2, seed=seed)
        return pd.concat(splits).part.tolist()

    assert parts(0) == parts(0)
    assert parts(0) != parts(1)


def test_fewer_groups_than_folds():
    with pytest.raises(InputError, match="at most the number of groups, 2, got 3"):
        folds_by_group(listed(groups=2), folds=3, validation_groups=1, seed=0)


def test_a_label_of_one_group_cannot_be_tested():
    table = pd.concat(
        [listed(), pd.DataFrame([("x/1.avi", "x", "person0")], columns=listed().columns)]
    )
    with pytest.raises(
        InputError, match="split 1: expected every tested label in train, found none of x"
    ):
        folds_by_group(table, folds=4, validation_groups=1, seed=0)
