import os
from pathlib import Path

import pandas as pd
import pytest
from official_lists import write_hmdb51, write_kinetics400, write_ucf101

from hdc.data.listing import files_below
from hdc.data.official.kinetics import read_list
from hdc.data.official.listing import list_official
from hdc.runtime.errors import InputError

REAL = Path(os.environ.get("HDC_REAL_DATA", "nowhere")) / "splits"
WRITERS = {"ucf101": write_ucf101, "hmdb51": write_hmdb51, "kinetics400": write_kinetics400}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders with generated lists, as users have them beside their videos."""
    root = tmp_path_factory.mktemp("official")
    for name in ("ucf101", "hmdb51"):
        WRITERS[name](root / name / "lists")
    return root


@pytest.fixture
def listed(prepare_settings):
    def run(folder, name, **changes):
        official = prepare_settings(name).data.official
        for key, value in changes.items():
            setattr(official, key, value)
        return list_official(folder, official, seed=0)

    return run


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
@pytest.mark.parametrize("source", ["generated", "official"])
def test_splits_have_the_published_numbers_and_no_group_on_both_sides(
    folders, listed, prepare_settings, name, source
):
    if source == "official" and not REAL.is_dir():
        pytest.skip("HDC_REAL_DATA names no folder with splits/")
    folder = folders / name if source == "generated" else REAL
    listing = listed(folder, name)
    official = prepare_settings(name).data.official
    assert len(listing.videos) == {"ucf101": 13320, "hmdb51": 6766}[name]
    assert listing.videos.label.nunique() == official.labels
    for number, split in enumerate(listing.splits):
        counts = split.part.value_counts()
        assert counts["train"] + counts["val"] == official.train_videos[number]
        assert counts["test"] == official.test_videos[number]
        table = split.merge(listing.videos, on="video", validate="one_to_one")
        assert (table.groupby("group").part.nunique() == 1).all()
        held_out = table[table.part == "val"].groupby("label").group.nunique()
        assert len(held_out) == official.labels and (held_out == 2).all()
        for part in ("train", "test"):
            assert table[table.part == part].label.nunique() == official.labels


def test_validation_is_drawn_by_seed(folders, prepare_settings):
    official = prepare_settings("ucf101").data.official
    parts = [
        list_official(folders / "ucf101", official, seed=seed).splits[0].part for seed in (0, 0, 1)
    ]
    assert parts[0].equals(parts[1]) and not parts[0].equals(parts[2])


@pytest.mark.skipif(not REAL.is_dir(), reason="HDC_REAL_DATA names no folder with splits/")
def test_official_lists_of_kinetics():
    validation = read_list(REAL / "kinetics400/kinetics-400_val.csv")
    assert len(validation) == 19906 and validation.label.nunique() == 400
    labels = (REAL / "kinetics400/label_map_k400.txt").read_text().splitlines()
    assert set(validation.label) == set(labels)
    test = read_list(REAL / "kinetics400/kinetics-400_test.csv")
    assert len(test) == 38685 and set(test.label) == {""}


@pytest.mark.skipif(not REAL.is_dir(), reason="HDC_REAL_DATA names no folder with splits/")
def test_genuine_files_are_found_where_people_have_them(listed):
    for name, count in (("ucf101", 4), ("hmdb51", 4)):
        listing = listed(REAL.parent, name)
        found = listing.videos[listing.videos.path != ""]
        assert len(found) == count
        assert all(
            Path(path).name == video.split("/")[1]
            for video, path in zip(found.video, found.path, strict=True)
        )


def test_ucf101_files_are_found_without_regard_to_case(tmp_path, listed):
    videos = write_ucf101(tmp_path / "ucfTrainTestlist")
    video = next(name for name in videos if "HandStand" in name)
    for folder, name in (
        ("UCF-101/HandstandPushups", video.split("/")[1].replace("HandStand", "Handstand")),
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / name).touch()
    listing = listed(tmp_path, "ucf101")
    assert listing.videos.set_index("video").path[video].endswith(name)
    assert len(listing.missing) == 13319


def test_two_files_of_one_video(tmp_path, listed):
    videos = write_ucf101(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / videos[0].split("/")[1]).touch()
    with pytest.raises(InputError, match=r"expected one file, found .*/a/v_.* and .*/b/v_"):
        listed(tmp_path, "ucf101")


def test_hmdb51_names_are_taken_as_they_are(tmp_path, listed):
    videos = write_hmdb51(tmp_path / "lists")
    for video in videos[:3]:
        path = tmp_path / "hmdb51_org" / video
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    listing = listed(tmp_path, "hmdb51")
    found = listing.videos[listing.videos.path != ""]
    assert found.video.tolist() == videos[:3]
    assert found.group.tolist() == ["label_00/Film_(a!)[b]&#;+0"] * 3


def test_hmdb51_left_packed_says_what_to_run(tmp_path, listed):
    write_hmdb51(tmp_path / "lists")
    (tmp_path / "wave.rar").touch()
    listing = listed(tmp_path, "hmdb51")
    with pytest.raises(
        InputError, match=r"1 \.rar archives there are still packed: \(cd '.*' && for"
    ):
        listing.require_found(tmp_path, allow_missing=False)


@pytest.mark.parametrize(
    "layout",
    ["train/{label}/{video}.mp4", "{label}/{name}.mp4", "{video}.mp4", "{name}.webm"],
)
def test_kinetics_layouts(tmp_path, listed, layout):
    videos = write_kinetics400(tmp_path, videos=800)
    for number, video in enumerate(videos[:3]):
        path = tmp_path / layout.format(label=f"label_{number}", video=video, name=video[:11])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    listing = listed(tmp_path, "kinetics400", train_videos=[800])
    assert listing.splits == []
    assert listing.videos.video[listing.videos.path != ""].tolist() == videos[:3]


def test_a_kinetics_file_called_by_its_id_alone_must_be_the_only_clip_of_it(tmp_path, listed):
    (tmp_path / "train.csv").write_text(
        "label,youtube_id,time_start,time_end\na,x,0,10\nb,x,20,30\nb,y,0,10\n"
    )
    for name in ("x.mp4", "y.mp4"):
        (tmp_path / name).touch()
    listing = listed(tmp_path, "kinetics400", labels=2, train_videos=[3])
    assert listing.missing == ["x_000000_000010", "x_000020_000030"]


def test_kinetics_may_be_judged_on_its_validation_list(tmp_path, listed):
    write_kinetics400(tmp_path, videos=1200)
    write_kinetics400(tmp_path, videos=400, part="val")
    listing = listed(tmp_path, "kinetics400", train_videos=[1200], test_videos=[400])
    assert listing.splits[0].part.value_counts().to_dict() == {
        "train": 800,
        "val": 400,
        "test": 400,
    }


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace(b"v_Label005_g02_c01", b"v_Label005_g02_c99"), None),
        (
            lambda text: text.split(b"\n", 1)[1],
            "test list 1: expected 3,783 videos, as published, ",
        ),
        (lambda text: text + text.split(b"\n", 1)[0], "expected every video once, found Hand"),
        (lambda text: text + b"Label001/clip.avi", "expected <label>/v_<label>_gNN_cNN.avi and "),
    ],
)
def test_a_changed_list_is_refused(tmp_path, listed, edit, message):
    write_ucf101(tmp_path)
    path = tmp_path / "testlist01.txt"
    path.write_bytes(edit(path.read_bytes()))
    if message is None:
        assert len(listed(tmp_path, "ucf101").videos) == 13321  # named otherwise, still listed
        return
    with pytest.raises(InputError, match=message):
        listed(tmp_path, "ucf101")


def test_a_wrong_label_number_in_a_training_list(tmp_path, listed):
    write_ucf101(tmp_path)
    path = tmp_path / "trainlist02.txt"
    path.write_bytes(path.read_bytes().replace(b".avi 7\r", b".avi 8\r", 1))
    with pytest.raises(InputError, match=r"trainlist02\.txt: expected .* and the label's number"):
        listed(tmp_path, "ucf101")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ucf101", r"expected the list classInd\.txt in it, found none; docs/datasets\.md"),
        ("hmdb51", r"expected lists <label>_test_split<K>\.txt in it, found none"),
        ("kinetics400", r"expected the list \*train\.csv in it, found none"),
    ],
)
def test_no_lists(tmp_path, listed, name, message):
    with pytest.raises(InputError, match=message):
        listed(tmp_path, name)


def test_two_lists_that_differ(tmp_path, listed):
    write_ucf101(tmp_path / "one")
    write_ucf101(tmp_path / "two")
    (tmp_path / "two/classInd.txt").write_text("1 Other\n")
    with pytest.raises(InputError, match=r"expected one list classInd\.txt, found .* and "):
        listed(tmp_path, "ucf101")


def test_missing_videos_are_counted_and_ten_named(folders, listed):
    listing = listed(folders / "hmdb51", "hmdb51")
    with pytest.raises(InputError) as error:
        listing.require_found("here", allow_missing=True)  # all are: nothing to go on with
    text = str(error.value)
    assert text.startswith("here: expected 6,766 listed videos, found 6,766 of them missing: ")
    assert text.count(".avi") == 10 and "\n" not in text and "allow_missing" not in text


def test_missing_videos_may_be_allowed(folders, listed):
    listing = listed(folders / "hmdb51", "hmdb51")
    listing.videos.loc[0, "path"] = "there.avi"
    listing.require_found("here", allow_missing=True)
    with pytest.raises(InputError, match=r"found 6,765 of them missing: .* by allow_missing: true"):
        listing.require_found("here", allow_missing=False)


def test_links_are_followed_once_and_hidden_files_left_out(tmp_path):
    (tmp_path / "data/.hidden").mkdir(parents=True)
    for name in ("a.avi", ".a.avi", ".hidden/b.avi"):
        (tmp_path / "data" / name).touch()
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/linked").symlink_to(tmp_path / "data")
    (tmp_path / "data/back").symlink_to(tmp_path / "videos")
    assert [path.name for path in files_below(tmp_path / "videos")] == ["a.avi"]


def test_a_table_of_other_columns(tmp_path):
    pd.DataFrame({"id": ["x"]}).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(InputError, match="expected a column youtube_id, found id"):
        read_list(tmp_path / "train.csv")
    (tmp_path / "train.csv").write_text("youtube_id,time_start,time_end\nx,soon,later\n")
    with pytest.raises(InputError, match="expected times in seconds, found"):
        read_list(tmp_path / "train.csv")
