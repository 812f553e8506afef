"""Something-Something v2, Diving48 v2 and Jester v1: lists of their form, of any numbers."""

import json
from pathlib import Path

import pytest
from official_lists import write_diving48, write_jester, write_lines, write_something_something

from hdc.data.official.listing import list_official
from hdc.runtime.errors import InputError

WRITERS = {
    "something_something": write_something_something,
    "diving48": write_diving48,
    "jester": write_jester,
}
FEW = {"labels": 3, "train": 30, "test": 6}
PLACES = {
    "something_something": "20bn-something-something-v2/{}.webm",
    "diving48": "rgb/{}.mp4",
    "jester": "20bn-jester-v1/{}/00001.jpg",
}


@pytest.fixture
def listed(prepare_settings):
    """List a tree, with the published numbers or with those of the few."""

    def run(folder, name, *, numbers=FEW, **changes):
        data = prepare_settings(name).data
        official = data.official
        if numbers is not None:
            official.labels = numbers["labels"]
            official.train_videos, official.test_videos = [numbers["train"]], [numbers["test"]]
            official.validation_groups = 2
        for key, value in changes.items():
            setattr(official, key, value)
        return list_official(folder, official, seed=0, images=data.images is not None)

    return run


@pytest.fixture(params=WRITERS)
def name(request):
    return request.param


def put(folder, name, videos):
    for video in videos:
        path = folder / PLACES[name].format(video)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_lists_of_the_published_numbers(tmp_path, listed, name):
    numbers = {
        "something_something": (174, 168913, 24777, 10),
        "diving48": (48, 15027, 1970, 2),
        "jester": (27, 118562, 14787, 50),
    }
    labels, train, test, held_out = numbers[name]
    WRITERS[name](tmp_path)
    listing = listed(tmp_path, name, numbers=None)
    assert listing.videos.label.nunique() == labels
    [split] = listing.splits
    counts = split.part.value_counts()
    assert counts["val"] == held_out * labels
    assert (counts["train"] + counts["val"], counts["test"]) == (train, test)


def test_videos_are_found_where_the_archives_put_them(tmp_path, listed, name):
    videos = WRITERS[name](tmp_path / "labels", **FEW)
    put(tmp_path, name, videos["train"][:4] + videos["test"][:2])
    listing = listed(tmp_path, name)
    paths = dict(zip(listing.videos.video, listing.videos.path, strict=True))
    found = {video: path for video, path in paths.items() if path}
    assert sorted(found) == sorted(videos["train"][:4] + videos["test"][:2])
    for video, path in found.items():
        place = tmp_path / PLACES[name].format(video)
        assert Path(path) == (place.parent if name == "jester" else place)
    with pytest.raises(InputError, match=rf"30 of them missing: .*; unpack all of {name} there"):
        listing.require_found("here", allow_missing=False)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("something_something", [f"Putting [something] into [thing {n}]" for n in range(3)]),
        ("diving48", [f"Back 15som {n:02d}Twis FREE" for n in range(3)]),
        ("jester", [f"Swiping, {n} Fingers" for n in range(3)]),
    ],
)
def test_labels_are_in_the_words_of_the_lists(tmp_path, listed, name, labels):
    videos = WRITERS[name](tmp_path, **FEW)
    table = listed(tmp_path, name).videos.set_index("video")
    for part in ("train", "test"):
        assert [table.label[video] for video in videos[part][:3]] == labels
    assert (table.group == table.index).all()


def test_without_a_test_part_its_list_need_not_be_there(tmp_path, listed, name):
    WRITERS[name](tmp_path, **FEW)
    [path] = [*tmp_path.glob("*validation*"), *tmp_path.glob("*V2_test*")]
    path.unlink()
    assert len(listed(tmp_path, name, test_videos=[]).videos) == 30
    with pytest.raises(InputError, match=rf"expected the list {path.name} in it, found none"):
        listed(tmp_path, name)


def test_other_numbers_than_the_published_are_refused(tmp_path, listed, name):
    WRITERS[name](tmp_path, **FEW)
    with pytest.raises(InputError, match=r"expected lists of .* labels, as published, found 3"):
        listed(tmp_path, name, numbers=None)
    with pytest.raises(
        InputError, match="train list 1: expected 31 videos, as published, found 30"
    ):
        listed(tmp_path, name, train_videos=[31])


def test_the_later_package_of_something_something_has_shorter_names(tmp_path, listed):
    write_something_something(tmp_path, **FEW, prefix=False)
    assert len(listed(tmp_path, "something_something").videos) == 36


def test_frames_that_were_taken_out_are_found_as_folders(tmp_path, listed, prepare_settings):
    videos = write_diving48(tmp_path, **FEW)
    for video in videos["train"]:
        (tmp_path / "frames" / video).mkdir(parents=True)
        (tmp_path / "frames" / video / "00001.jpg").touch()
    official = prepare_settings("diving48").data.official
    official.labels, official.train_videos, official.test_videos = 3, [30], [6]
    listing = list_official(tmp_path, official, seed=0, images=True)
    assert listing.missing == videos["test"]
    assert len(list_official(tmp_path, official, seed=0).missing) == 36  # no files


def test_two_folders_of_one_video(tmp_path, listed):
    videos = write_jester(tmp_path, **FEW)
    for place in ("a", "b"):
        put(tmp_path / place, "jester", videos["train"][:1])
    with pytest.raises(InputError, match=r"expected one folder, found .*/a/.* and .*/b/"):
        listed(tmp_path, "jester")


def change(path, edit):
    rows = json.loads(path.read_text())
    path.write_text(json.dumps(edit(rows)))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda rows: [*rows, rows[0]], "expected every video once in the lists, found 5 again"),
        (lambda rows: [{"id": "1"}], "a list of objects with id and template, found {'id': '1'}"),
        (lambda rows: {"videos": rows}, "a list of objects with id and template, found {'videos'"),
        (
            lambda rows: [rows[0] | {"template": "Eating [something]"}],
            r"expected templates of 3 labels, found Eating \[something\]",
        ),
    ],
)
def test_a_changed_list_of_something_something(tmp_path, listed, edit, message):
    write_something_something(tmp_path, **FEW)
    change(tmp_path / "something-something-v2-train.json", edit)
    with pytest.raises(InputError, match=message):
        listed(tmp_path, "something_something")


def test_a_changed_list_of_diving48(tmp_path, listed):
    write_diving48(tmp_path, **FEW)
    change(tmp_path / "Diving48_V2_test.json", lambda rows: [rows[0] | {"label": 3}])
    with pytest.raises(InputError, match=r"V2_test\.json: expected labels from 0 to 2, found 3"):
        listed(tmp_path, "diving48")
    (tmp_path / "Diving48_V2_test.json").write_text("no JSON")
    with pytest.raises(InputError, match=r"V2_test\.json: expected JSON, found: "):
        listed(tmp_path, "diving48")


@pytest.mark.parametrize("line", ["7;Waving", "7", "7;Swiping, 0 Fingers;0"])
def test_a_changed_list_of_jester(tmp_path, listed, line):
    write_jester(tmp_path, **FEW)
    write_lines(tmp_path / "jester-v1-train.csv", [line])
    with pytest.raises(InputError, match=f"lines <id>;<label> of 3 labels, found {line}"):
        listed(tmp_path, "jester")
