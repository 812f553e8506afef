"""Folds by pairs of label and object, against the definition, pair by pair."""

import itertools

import pandas as pd
import pytest

from hdc.data.preparation.folder import list_folder
from hdc.data.preparation.sources import list_videos
from hdc.data.splits import folds_by_pair, pair_facts
from hdc.runtime.errors import InputError
from hdc.settings.data import Data, FolderData


def listed(pairs, groups=3):
    rows = [
        (f"{label}/{thing}/{number}.avi", label, f"{label}{thing}{number}", thing)
        for label, thing in pairs
        for number in range(groups)
    ]
    return pd.DataFrame(rows, columns=["video", "label", "group", "object"])


def pairs_of(table, split, *parts):
    videos = set(split.video[split.part.isin(parts)])
    rows = table[table.video.isin(videos)]
    return set(zip(rows.label, rows.object, strict=True))


FULL = [*itertools.product(("open", "close", "lift"), ("box", "book", "door", "drawer"))]
# Of these only four can be tested: `only` and `lonely` are in one pair each.
SPARSE = [("open", "box"), ("open", "book"), ("close", "box"), ("close", "book"),
          ("lift", "only"), ("lift", "box"), ("push", "lonely"), ("push", "box")]  # fmt: skip


@pytest.mark.parametrize(("pairs", "folds"), [(FULL, 2), (FULL, 3), (FULL, 4), (SPARSE, 2)])
@pytest.mark.parametrize("seed", range(5))
def test_tested_pairs_are_new_and_their_parts_are_not(pairs, folds, seed):
    table = listed(pairs)
    splits = folds_by_pair(table, folds=folds, validation_groups=1, seed=seed)
    tested = [pair for split in splits for pair in pairs_of(table, split, "test")]
    assert len(tested) == len(set(tested)) and len(splits) == folds
    assert set(tested) == set(FULL) if pairs is FULL else ("lift", "only") not in tested
    for split in splits:
        test, train = pairs_of(table, split, "test"), pairs_of(table, split, "train")
        assert test and not test & pairs_of(table, split, "train", "val")
        for side in (0, 1):
            assert {pair[side] for pair in test} <= {pair[side] for pair in train}
        assert (split.part == "val").sum() == 1
        assert split.video.is_unique


@pytest.mark.parametrize("seed", range(3))
def test_people_who_do_everything_are_tested_or_trained_on(seed):
    """Of four, in two folds: two are tested on new pairs, two train the others; the rest is out."""
    table = listed(FULL, groups=4)
    table["group"] = table.video.str[-5]
    for split in folds_by_pair(table, folds=2, validation_groups=1, seed=seed):
        people = split.merge(table, on="video").groupby("part").group.agg(set)
        assert len(people["test"]) == 2 and len(people["train"]) == len(people["val"]) == 1
        assert not people["test"] & (people["train"] | people["val"])
        test = pairs_of(table, split, "test")
        assert len(split) == 2 * len(test) + 2 * len(set(FULL) - test)
        assert not test & pairs_of(table, split, "train", "val")


@pytest.mark.parametrize(
    ("people", "message"),
    [
        (1, "split 1: expected every tested label in train, found none of"),
        (2, "split 3: expected videos of groups to test, found none"),
    ],
)
def test_too_few_people_cannot_be_kept_apart(people, message):
    table = listed(FULL, groups=people)
    table["group"] = table.video.str[-5]
    with pytest.raises(InputError, match=message):
        folds_by_pair(table, folds=3, validation_groups=0, seed=0)


def test_what_a_record_says_of_pairs():
    table = listed(FULL)
    [split, *_] = folds_by_pair(table, folds=3, validation_groups=1, seed=0)
    said = "4 tested, 4 of them not trained on"
    assert pair_facts(table, split) == {"pairs_of_label_and_object": said}
    moved = split.assign(part=["test", *["train"] * (len(split) - 1)])
    said = "1 tested, 0 of them not trained on"
    assert pair_facts(table, moved) == {"pairs_of_label_and_object": said}
    assert pair_facts(table.drop(columns="object"), split) == {}


def test_pairs_that_cannot_be_tested_are_refused():
    with pytest.raises(InputError, match="expected in each of 2 folds a pair of label and object"):
        folds_by_pair(
            listed([("open", "box"), ("lift", "cup")]), folds=2, validation_groups=1, seed=0
        )


@pytest.fixture
def folder(tmp_path):
    for label, thing in FULL:
        for number in range(2):
            path = tmp_path / label / f"{thing}_{number}.avi"
            path.parent.mkdir(exist_ok=True)
            path.touch()
    return tmp_path


def test_a_pattern_names_the_object(folder):
    pattern = r"(?P<label>[^/]+)/(?P<object>[a-z]+)_\d\.avi"
    table = list_folder(folder, pattern)
    assert table.columns.tolist() == ["video", "label", "group", "object", "path"]
    assert set(zip(table.label, table.object, strict=True)) == set(FULL)
    data = Data(folder=FolderData(pattern, folds=2, validation_groups=1, unseen="pairs"), seed=0)
    [split, _] = list_videos(data, folder).splits
    assert not pairs_of(table, split, "test") & pairs_of(table, split, "train", "val")
    data.folder.pattern = r"(?P<label>[^/]+)/.*\.avi"
    with pytest.raises(InputError, match=r"expected a group \(\?P<object>...\), since"):
        list_videos(data, folder)
