import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from official_lists import (
    write_diving48,
    write_jester,
    write_something_something,
    write_ucf101,
)
from PIL import Image

from hdc.data.index import missing_facts
from hdc.data.store import ClipStore

PATTERN = r"data.folder.pattern='(?P<label>[a-z]+)/(?P<group>[a-z]+)[0-9]*\.mp4'"
FOLDS = ("data.folder.folds=3", "data.folder.validation_groups=1")


@pytest.fixture
def videos(tmp_path, make_video, moving_square):
    """Two labels by three people, in a folder whose name has a space."""
    folder = tmp_path / "my videos"
    for number, label in enumerate(("run", "walk")):
        for place, person in enumerate(("ann", "bob", "cas")):
            clip = moving_square(12, seed=10 * number + place)
            make_video(folder / label / f"{person}.mp4", clip)
    return folder


@pytest.fixture
def prepare(call, root, tmp_path):
    def run(folder, *words):
        output = tmp_path / "out"
        words = words or (PATTERN, *FOLDS)
        done = call(
            "hdc.prepare",
            "data=weizmann",
            f"folder={folder}",
            f"output_dir={output}",
            "store.short_side=24",
            *words,
            cwd=root,
        )
        return done, output

    return run


def refused(done, message):
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_a_folder_becomes_lists_and_a_store(videos, prepare):
    done, output = prepare(videos)
    assert done.returncode == 0, done.stderr
    index = pd.read_csv(output / "index.csv")
    assert index.video.tolist() == sorted(index.video)
    assert index.label.tolist() == ["run"] * 3 + ["walk"] * 3
    assert index.frames.tolist() == [12] * 6
    assert pd.read_csv(output / "rejected.csv").empty
    assert len(ClipStore(output)) == 6
    for number in (1, 2):
        split = pd.read_csv(output / f"split{number}.csv")
        assert set(split.part) == {"train", "val", "test"}


def test_twice_gives_the_same_bytes(videos, prepare):
    names = (
        "index.csv",
        "rejected.csv",
        "listed.csv",
        "files.csv",
        "split1.csv",
        "store.json",
        "shards/0001-of-0001.bin",
    )
    _, output = prepare(videos)
    first = [(output / name).read_bytes() for name in names]
    _, output = prepare(videos)
    assert first == [(output / name).read_bytes() for name in names]


def test_files_that_cannot_be_used_are_rejected_aloud_and_on_it_goes(videos, prepare):
    whole = (videos / "run" / "ann.mp4").read_bytes()
    (videos / "run" / "ann2.mp4").write_bytes(whole[: len(whole) // 2])
    (videos / "walk" / "bob2.mp4").write_text("this is a text file\n")
    (videos / "walk" / "cas2.mp4").touch()
    done, output = prepare(videos)
    assert done.returncode == 0, done.stderr
    rejected = pd.read_csv(output / "rejected.csv").set_index("video").reason
    assert list(rejected.index) == ["run/ann2.mp4", "walk/bob2.mp4", "walk/cas2.mp4"]
    assert rejected["walk/cas2.mp4"] == "empty file"
    assert done.stdout.count("rejected ") == 3 + 1  # one line each, and the last line's count
    assert len(pd.read_csv(output / "index.csv")) == 6
    split = pd.read_csv(output / "split1.csv")
    assert set(rejected.index) <= set(split.video)  # an unusable video stays listed


def test_a_missing_folder(prepare, tmp_path):
    done, _ = prepare(tmp_path / "nowhere")
    refused(done, "expected an existing folder of videos")


def test_a_pattern_that_matches_nothing(videos, prepare):
    done, _ = prepare(videos, "data.folder.pattern='(?P<label>x+)/.*'", *FOLDS)
    refused(done, "matched none of 6, such as ")


@pytest.mark.parametrize(
    ("pattern", "message"), [("'(['", "data.folder.pattern: "), ("'.*'", "a group (?P<label>...)")]
)
def test_a_pattern_that_is_none(videos, prepare, pattern, message):
    done, _ = prepare(videos, f"data.folder.pattern={pattern}", *FOLDS)
    refused(done, message)


def test_a_label_with_one_video_only(videos, prepare, make_video, moving_square):
    make_video(videos / "jump" / "ann.mp4", moving_square(12))
    done, _ = prepare(videos)
    refused(done, "expected at least 2 videos a label, found 1 of jump (jump/ann.mp4)")


def test_no_usable_video_left(videos, prepare):
    for path in videos.rglob("*.mp4"):
        path.write_text("broken")
    done, output = prepare(videos)
    refused(done, "expected at least one usable video, found none among 6")
    assert not (output / "index.csv").exists() and not (output / "store.json").exists()


def test_a_failed_preparation_voids_the_one_before(videos, prepare):
    _, output = prepare(videos)
    for path in videos.rglob("*.mp4"):
        path.write_text("broken")
    prepare(videos)
    assert not (output / "index.csv").exists()


def test_part_by_part_is_the_same_as_at_once(videos, prepare, tmp_path):
    _, output = prepare(videos)
    names = ("index.csv", "rejected.csv", "listed.csv", "files.csv", "split1.csv")
    at_once = [(output / name).read_bytes() for name in names]
    frames = (output / "shards/0001-of-0001.bin").read_bytes()
    for number in (2, 1):
        done, _ = prepare(videos, PATTERN, *FOLDS, f"shard={number}", "shards=2")
        assert done.returncode == 0, done.stderr
    done, _ = prepare(videos, PATTERN, *FOLDS, "shards=2")
    assert at_once == [(output / name).read_bytes() for name in names]
    parts = sorted((output / "shards").glob("*.bin"))  # the one of before is gone
    assert [path.name for path in parts] == ["0001-of-0002.bin", "0002-of-0002.bin"]
    assert b"".join(path.read_bytes() for path in parts) == frames
    store = ClipStore(output)
    assert [store.video(row) for row in range(6)] == pd.read_csv(
        output / "index.csv"
    ).video.tolist()


def test_the_form_of_the_store_follows_its_size(videos, prepare):
    done, output = prepare(videos, PATTERN, *FOLDS)
    assert "store: raw; as raw frames about 0.0 GiB" in done.stdout
    assert json.loads((output / "store.json").read_text())["form"] == "raw"
    done, output = prepare(videos, PATTERN, *FOLDS, "store.raw_gib=1e-7")
    assert "store: h264; " in done.stdout
    assert json.loads((output / "store.json").read_text())["form"] == "h264"
    clip = ClipStore(output).clip(0, np.arange(5))
    done, output = prepare(videos, PATTERN, *FOLDS, "store.form=raw", "store.raw_gib=1e-7")
    raw = ClipStore(output).clip(0, np.arange(5))
    assert clip.shape == raw.shape and np.abs(clip.astype(int) - raw).mean() < 6


def test_what_the_files_are_is_written_down(videos, prepare, make_video, moving_square):
    make_video(videos / "run/bob.mp4", moving_square(12, seed=7), axes=(-1, 0, 0, 1))
    make_video(videos / "run/cas.mp4", moving_square(12, seed=8), axes=(0.8, 0.6, -0.6, 0.8))
    done, output = prepare(videos)
    files = pd.read_csv(output / "files.csv", keep_default_na=False)
    assert files.columns.tolist() == [
        "video", "container", "codec", "claimed_frames", "fps_varies", "rotation", "mirrored",
        "orientation_fault", "truncation", "fps_assumed",
    ]  # fmt: skip
    assert (files.codec == "mpeg4").all() and (files.claimed_frames == 12).all()
    assert files.rotation.tolist() == [0, 0, -37, 0, 0, 0]
    assert files.mirrored.tolist() == [False, True, False, False, False, False]
    fault = "no quarter turn (0.8 0.6 -0.6 0.8): stored as it is"
    assert files.orientation_fault.tolist() == ["", "", fault, "", "", ""]
    [line] = [line for line in done.stdout.splitlines() if line.startswith("not stored as a")]
    assert line.endswith(f": 1 of 6 videos, such as run/cas.mp4: {fault}")


def test_nothing_of_the_user_is_changed(videos, prepare):
    def state():
        return {
            path: (path.stat().st_mtime_ns, path.read_bytes()) for path in videos.rglob("*.mp4")
        }

    (videos / "run" / "broken.mp4").write_text("broken")
    before = state()
    prepare(videos)
    assert state() == before


def test_words_that_are_no_numbers(videos, prepare):
    done, _ = prepare(videos, PATTERN, *FOLDS, "shard=first")
    refused(done, "shard: expected a whole number, got first")
    done, _ = prepare(videos, PATTERN, *FOLDS, "allow_missing=yes")
    refused(done, "allow_missing: expected true or false, got yes")
    done, _ = prepare(videos, PATTERN, *FOLDS, "shard=3", "shards=2")
    refused(done, "shard: expected 1 to 2, got 3")


def test_official_lists_with_missing_videos(tmp_path, call, root, make_video, moving_square):
    names = write_ucf101(tmp_path / "ucf101/ucfTrainTestlist")
    for name in names[::4000]:
        make_video(tmp_path / "ucf101/UCF-101" / name, moving_square(12))
    output = tmp_path / "out"
    words = ("hdc.prepare", "data=ucf101", f"folder={tmp_path / 'ucf101'}", f"output_dir={output}")
    words += ("store.short_side=24",)
    refused(call(*words, cwd=root), "expected 13,320 listed videos, found 13,316 of them missing: ")
    done = call(*words, "allow_missing=true", cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("rejected ") == 1  # missing ones are counted, not listed one by one
    assert "missing 13,316" in done.stdout
    assert pd.read_csv(output / "index.csv").video.tolist() == names[::4000]
    assert len(pd.read_csv(output / "rejected.csv")) == 13316
    missing = missing_facts(output, 1)["missing_videos"]
    assert sum(missing.values()) == 13316 and set(missing) == {"train", "test"}
    assert missing_facts(output, "") == {"missing_videos": {"all": 13316}}


def test_the_output_may_not_lie_among_the_videos(videos, call, root):
    words = ("data=weizmann", f"folder={videos}", PATTERN, *FOLDS)
    for output in (videos, videos / "out"):
        done = call("hdc.prepare", *words, f"output_dir={output}", cwd=root)
        refused(done, "output_dir: expected a folder outside of the videos'")


def test_only_its_own_files_are_removed(videos, prepare):
    _, output = prepare(videos)
    for name in ("holiday.mp4", "0001-of-0003.bin"):
        (output / "shards" / name).write_text("x")
    prepare(videos)
    assert (output / "shards/holiday.mp4").exists()
    assert not (output / "shards/0001-of-0003.bin").exists()


def test_names_that_no_list_can_hold(videos, prepare):
    (videos / "run" / "ann\rx.mp4").write_text("x")
    done, _ = prepare(videos, "data.folder.pattern='(?P<label>[a-z]+)/(?s:.*)'", *FOLDS)
    refused(done, "expected a name without control characters; rename the file")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_it_ends_at_once_and_leaves_no_child(videos, root, tmp_path, make_video, number):
    """A video is being decoded, for as long as it likes; its child must not outlive the stage."""
    frames = np.zeros((400, 480, 640, 3), np.uint8)
    for label in ("run", "walk"):
        make_video(videos / label / "ann.mp4", frames, codec="libx264")
    words = ["data=weizmann", f"folder={videos}", f"output_dir={tmp_path / 'out'}", PATTERN, *FOLDS]
    command = [sys.executable, "-m", "hdc.prepare", *words]
    child = subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True)
    while not (found := decoders(child.pid)):
        assert child.poll() is None
        time.sleep(0.001)
    for one in found:
        os.kill(one, signal.SIGSTOP)
    child.send_signal(number)
    _, errors = child.communicate(timeout=30)
    assert child.returncode == 75, errors
    assert errors.startswith(f"stopped: by {number.name}; what is done is kept")
    assert errors.count("\n") == 1
    assert not any(Path(f"/proc/{one}/cmdline").exists() for one in found)


def decoders(parent):
    """The children of a process that have a video open."""
    found = []
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        found += [int(one) for one in children.read_text().split() if has_video(one)]
    return found


def has_video(process):
    """Whether a process has opened a video."""
    try:
        files = [path.readlink() for path in Path(f"/proc/{process}/fd").iterdir()]
    except FileNotFoundError:  # of a file just closed
        return False
    return any(path.suffix == ".mp4" for path in files)


def test_folders_of_images_become_a_store(tmp_path, prepare, moving_square):
    """A gap is told, a broken image costs its folder, and what has not changed is kept."""
    folder = tmp_path / "frames"
    clips = {}
    for number, name in enumerate(("run/ann", "run/bob", "run/cas", "walk/ann", "walk/bob")):
        clips[name] = moving_square(12, seed=number)
        (folder / name).mkdir(parents=True)
        for place, frame in enumerate(clips[name], start=1):
            Image.fromarray(frame).save(folder / name / f"{place}.png")
    (folder / "run/ann/7.png").unlink()
    (folder / "walk/bob/3.png").write_bytes((folder / "walk/bob/3.png").read_bytes()[:-20])
    words = (
        r"data.folder.pattern='(?P<label>[a-z]+)/(?P<group>[a-z]+)'",
        *FOLDS, "data.images.frames_per_second=12", "store.form=raw", "store.short_side=48",
    )  # fmt: skip
    done, output = prepare(folder, *words)
    assert done.returncode == 0, done.stderr
    assert "1 of 4 videos, such as run/ann: 1 missing between the first and the last" in done.stdout
    rejected = pd.read_csv(output / "rejected.csv")
    assert rejected.video.tolist() == ["walk/bob"] and "3.png: " in rejected.reason[0]
    index = pd.read_csv(output / "index.csv")
    assert index.frames.tolist() == [11, 12, 12, 12] and (index.fps == 12).all()
    assert index.path.tolist() == [str(folder / video) for video in index.video]
    store = ClipStore(output, index.video.tolist())
    stored = store.clip(0, np.arange(11))
    assert np.array_equal(stored, np.delete(clips["run/ann"], 6, axis=0))
    before = (output / "store.json").read_bytes()
    prepare(folder, *words)
    assert (output / "store.json").read_bytes() == before
    Image.fromarray(clips["run/bob"][0]).save(folder / "run/bob/2.png")
    prepare(folder, *words)
    again = pd.read_csv(output / "index.csv")
    assert (again.sha256 != index.sha256).tolist() == [False, True, False, False]


def test_jester_as_it_is_published(tmp_path, prepare, moving_square):
    """JPEG images of a height of 100 in folders called by ids; those of one label break."""
    videos = write_jester(tmp_path / "jester/annotations", labels=2, train=8, test=4)
    for number, video in enumerate(videos["train"] + videos["test"]):
        folder = tmp_path / "jester/20bn-jester-v1" / video
        folder.mkdir(parents=True)
        frames = moving_square(6, height=100, width=140, seed=number)
        for place, frame in enumerate(frames, start=1):
            Image.fromarray(frame).save(folder / f"{place:05d}.jpg", quality=95)
    done, output = prepare(
        tmp_path / "jester", "data=jester", "data.official.labels=2", "store.short_side=100",
        "data.official.train_videos=[8]", "data.official.test_videos=[4]",
        "data.official.validation_groups=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    index, split = (pd.read_csv(output / f"{name}.csv") for name in ("index", "split1"))
    assert len(index) == 12 and set(index.label) == {"Swiping, 0 Fingers", "Swiping, 1 Fingers"}
    assert (index.width == 140).all() and (index.seconds == 0.5).all()
    assert split.part.value_counts().to_dict() == {"train": 6, "test": 4, "val": 2}


def test_videos_of_something_something_and_diving48(tmp_path, prepare, make_video, moving_square):
    trees = {
        "something_something": (write_something_something, "20bn/{}.webm", "libvpx-vp9", "vp9"),
        "diving48": (write_diving48, "rgb/{}.mp4", "libx264", "h264"),
    }
    for name, (write, place, encoder, codec) in trees.items():
        videos = write(tmp_path / name, labels=2, train=8, test=4)
        clip = make_video(tmp_path / f"{name}.{place[-4:]}", moving_square(6), codec=encoder)
        for video in videos["train"] + videos["test"][1:]:
            path = tmp_path / name / place.format(video)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(clip.read_bytes())
        done, output = prepare(
            tmp_path / name, f"data={name}", "data.official.labels=2", "allow_missing=true",
            "data.official.train_videos=[8]", "data.official.test_videos=[4]",
            "data.official.validation_groups=1",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        files = pd.read_csv(output / "files.csv")
        assert len(files) == 11 and (files.codec == codec).all()
        assert missing_facts(output, 1) == {"missing_videos": {"test": 1}}
