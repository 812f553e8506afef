"""Parts of a data set of one's own, prepared by Snakemake, when it asks for them again."""

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


@pytest.fixture
def mine(workplace, make_video, moving_square):
    """A study of eight videos of one's own in two parts; returns the folder of the videos."""
    videos = workplace / "videos"
    for number in range(8):
        square = moving_square(10, seed=number)
        make_video(videos / ("run", "walk")[number % 2] / f"{number // 2}.avi", square)
    (workplace / "config/data").mkdir()
    (workplace / "config/data/mine.yaml").write_text(yaml.safe_dump(SETTINGS))
    study = yaml.safe_load((workplace / "config/smoke.yaml").read_text())
    study |= {"study": "mine", "evaluate_on": {"mine": [1]}, "data": {"mine": "videos"}}
    (workplace / "config/mine.yaml").write_text(yaml.safe_dump(study))
    return videos


@pytest.fixture
def prepare(call, workplace):
    def run(*words):
        target = "results/data/mine/index.csv"
        command = ("snakemake", target, "--cores", "2", "--configfile", "config/mine.yaml", *words)
        return call(*command, cwd=workplace, check=True)

    return run


def frames(workplace):
    return {
        path.name: path.stat().st_mtime_ns
        for path in (workplace / "results/data/mine/shards").glob("*.bin")
    }


def test_what_is_asked_for_again_is_not_decoded_again(mine, prepare, workplace):
    prepare()
    before = frames(workplace)
    assert set(before) == {"0001-of-0002.bin", "0002-of-0002.bin"}
    prepare("--forcerun", "prepare_mine_part")
    assert frames(workplace) == before
    index = (workplace / "results/data/mine/index.csv").read_text()
    mine.rename(workplace / "elsewhere")
    prepare("--config", "data={mine: elsewhere}")
    assert frames(workplace) == before
    assert (workplace / "results/data/mine/index.csv").read_text() == index.replace(
        "videos/", "elsewhere/"
    )


def test_videos_that_are_added_are_noticed(mine, prepare, workplace, make_video, moving_square):
    prepare()
    assert "Nothing to be done" in prepare().stderr
    make_video(mine / "run/0_more.avi", moving_square(10, seed=99))
    prepare()
    assert "run/0_more.avi" in (workplace / "results/data/mine/index.csv").read_text()
