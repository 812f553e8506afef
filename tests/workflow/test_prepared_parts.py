"""Parts of a data set of one's own, prepared by Snakemake, when it asks for them again."""

import os
import re
import shutil

import pytest
import yaml

SETTINGS = {
    "data": {
        "folder": {
            "pattern": r"(?P<label>[^/]+)/(?P<group>[^/_]+).*\.avi",
            "folds": 2,
            "validation_groups": 1,
        },
        "seed": 0,
    },
    "store": {"shard_videos": 4, "short_side": 24},
}


COMMAND = ("snakemake", "results/data/mine/index.csv", "--cores", "2")
COMMAND += ("--configfile", "config/mine.yaml")


@pytest.fixture(scope="module")
def prepared_once(module_workplace, make_video, moving_square, call):
    """A study of eight videos of one's own that were prepared in two parts."""
    folder = module_workplace
    for number in range(8):
        square = moving_square(10, seed=number)
        make_video(folder / "videos" / ("run", "walk")[number % 2] / f"{number // 2}.avi", square)
    (folder / "config/data").mkdir()
    (folder / "config/data/mine.yaml").write_text(yaml.safe_dump(SETTINGS))
    study = yaml.safe_load((folder / "config/smoke.yaml").read_text())
    study |= {"study": "mine", "evaluate_on": {"mine": [1]}, "data": {"mine": "videos"}}
    few = {stage: {"batch_size": 2} for stage in ("pretrain", "finetune")}
    few["about"] = {"question": "Do two at a time do?", "paper": "not in the paper"}
    (folder / "ablations/few.yaml").write_text(yaml.safe_dump(few))
    study |= {"ablations": ["few"], "skip": []}
    (folder / "config/mine.yaml").write_text(yaml.safe_dump(study))
    call(*COMMAND, cwd=folder, check=True)
    return folder


@pytest.fixture
def workplace(prepared_once, tmp_path):
    """A copy with the times of all files."""
    return shutil.copytree(prepared_once, tmp_path / "workplace")


@pytest.fixture
def mine(workplace):
    """The folder of the videos."""
    return workplace / "videos"


@pytest.fixture
def prepare(call, workplace):
    return lambda *words: call(*COMMAND, *words, cwd=workplace, check=True)


def frames(workplace):
    return {
        path.name: path.stat().st_mtime_ns
        for path in (workplace / "results/data/mine/shards").glob("*.bin")
    }


def planned(done):
    """The preparing jobs of a dry run by rule."""
    table = done.stdout.rpartition("Job stats:")[2].partition("Reasons:")[0]
    return dict(re.findall(r"^(prepare_\w+) +(\d+)$", table, re.M))


def nothing(done):
    return "Nothing to be done" in done.stdout + done.stderr


def test_what_is_asked_for_again_is_not_decoded_again(mine, prepare, workplace):
    before = frames(workplace)
    assert set(before) == {"0001-of-0002.bin", "0002-of-0002.bin"}
    prepare("--forcerun", "prepare_mine_part")
    assert frames(workplace) == before
    index = (workplace / "results/data/mine/index.csv").read_text()
    mine.rename(workplace / "elsewhere")
    moved = ("--config", "data={mine: elsewhere}")
    assert nothing(prepare("-n", *moved))
    prepare("--forcerun", "prepare_mine", *moved)
    assert frames(workplace) == before
    assert (workplace / "results/data/mine/index.csv").read_text() == index.replace(
        "videos/", "elsewhere/"
    )


def test_videos_that_are_added_are_noticed(mine, prepare, workplace, make_video, moving_square):
    assert nothing(prepare())
    make_video(mine / "run/0_more.avi", moving_square(10, seed=99))
    prepare()
    assert "run/0_more.avi" in (workplace / "results/data/mine/index.csv").read_text()


def test_videos_that_were_repaired_or_replaced_are_noticed(
    mine, prepare, workplace, make_video, moving_square
):
    """With Snakemake's memory and without it, as in results that somebody copied."""
    for name in ("results", ".snakemake"):  # broken from the beginning
        shutil.rmtree(workplace / name)
    good = (mine / "run/0.avi").read_bytes()
    (mine / "run/0.avi").write_text("broken")
    prepare()
    data = workplace / "results/data/mine"
    assert "run/0.avi" in (data / "rejected.csv").read_text()
    assert nothing(prepare("-n"))
    (mine / "run/0.avi").write_bytes(good)
    os.utime(mine / "run/0.avi", (0, 0))  # older than anything prepared
    done = prepare("-n")
    assert planned(done) == {"prepare_mine": "1"}
    assert "mine: 1 videos are not as they were prepared, such as run/0.avi" in done.stderr
    before = frames(workplace)
    prepare()
    assert "run/0.avi" in (data / "index.csv").read_text()
    after = frames(workplace)
    assert [name for name in after if after[name] != before[name]] == ["0001-of-0002.bin"]
    assert nothing(prepare("-n"))

    shutil.rmtree(workplace / ".snakemake")
    make_video(mine / "walk/3.avi", moving_square(10, seed=77))
    assert planned(prepare("-n")) == {"prepare_mine": "1"}


def test_a_copy_without_times_is_as_good_and_damage_stops_the_plan_with_its_remedy(
    mine, prepare, call, workplace
):
    """Videos and results as `cp -r` leaves them, one list of them damaged."""
    for folder in (mine, workplace / "results"):
        for number, path in enumerate(sorted(folder.rglob("*"))):
            os.utime(path, (1e9 + number, 1e9 + number))
    assert nothing(prepare("-n"))
    store = workplace / "results/data/mine/store.json"
    whole, before = store.read_text(), frames(workplace)
    store.write_text("[]")
    plan = ("snakemake", "-n", "--cores", "2", "--configfile", "config/mine.yaml")
    done = call(*plan, cwd=workplace)
    assert done.returncode != 0 and "Traceback" not in done.stdout + done.stderr
    [line] = [one for one in (done.stdout + done.stderr).splitlines() if "store.json: exp" in one]
    command = re.search(r"run python -m (hdc\.prepare .*?);", line)[1]
    assert command == "hdc.prepare data=mine folder=videos output_dir=results/data/mine"
    call(*command.split(), cwd=workplace, check=True)
    assert store.read_text() == whole and frames(workplace) == before
    assert nothing(prepare("-n"))
