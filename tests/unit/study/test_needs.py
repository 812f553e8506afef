"""What jobs ask for, against what jobs took."""

import json
import zipfile

import pytest

from hdc.data.store import H264, RAW
from hdc.settings import compose as config
from hdc.settings.compose import compose_run
from hdc.study.needs import MIB, Estimates, Needs, count_videos, processors, views
from hdc.study.rates import Rates
from hdc.study.stages import place_of
from hdc.study.study import Study

PUBLISHED = ("ceiling", "demo", "shortcut", "shortcut_control", "synthetic")
STUDY = {
    "study": "needy", "scale": "paper", "pretrain_on": "same", "backbones": ["r3d18"],
    "ablations": ["hdc"], "seeds": [0], "evaluate_on": {"ucf101": [1]}, "data": {"ucf101": "there"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def place(root, monkeypatch):
    monkeypatch.chdir(root)
    config.forget_composed()
    yield
    config.forget_composed()


def estimates(*, on_gpu=True, measured=None, **changes):
    return Estimates(Study.read(STUDY | changes), {}, Rates(on_gpu, measured or {}))


def records(study):
    """Every record of a published study."""
    with zipfile.ZipFile(f"results/published/{study}/records.zip") as packed:
        for name in packed.namelist():
            if where := place_of(f"/{name}"):
                yield where, json.loads(packed.read(name))


@pytest.mark.parametrize("study", PUBLISHED)
def test_no_job_took_more_memory_than_it_would_ask_for_now(study):
    """And none so much less that a node stays empty for it."""
    compared, known = 0, {}
    for where, record in records(study):
        scale, data = (record["settings"][key] for key in ("scale", "data"))
        if (scale, data) not in known:
            changes = {"scale": scale, "evaluate_on": {data: [1]}, "data": {}}
            known[scale, data] = estimates(on_gpu=False, **changes)
        job = (where["stage"], where["backbone"], where["ablation"], data, 1)
        needs = known[scale, data].of(*job)
        ratio = needs.memory * MIB / record["peak_memory_bytes"]
        assert 1.1 < ratio < 3, (study, where, ratio)
        compared += 1
    assert compared >= 10


def test_how_many_videos_a_split_has():
    run = compose_run("hdc", backbone="r3d18", data="ucf101", scale="paper")
    split = count_videos(run, 1, 0)
    assert (split.trained, split.tested, split.form) == (9537, 3783, RAW)
    assert count_videos(run, None, 0).trained == 9537 + 3783
    kinetics = compose_run("hdc", backbone="r3d18", data="kinetics400", scale="paper")
    assert count_videos(kinetics, None, 0).form == H264  # raw frames would be terabytes
    own = compose_run("hdc", backbone="r3d18", data="weizmann", scale="weizmann")
    assert count_videos(own, 1, 90).all == 90
    made = compose_run("hdc", backbone="r3d18", data="synthetic_smoke", scale="smoke")
    numbers = made.data.synthetic
    assert count_videos(made, 1, 0).trained == numbers.train_videos + numbers.validation_videos


def test_the_clips_of_a_pretraining_are_counted_by_hand():
    """200 epochs of 9,537 videos in three views at 600 clips a second, and a minute to begin."""
    needs = estimates().of("pretrain", "r3d18", "hdc", "ucf101", 1)
    assert needs.seconds == pytest.approx(60 + 200 * 9537 * 3 / 600, rel=1e-6)
    assert not needs.measured and needs.gpus == 1


def test_a_measured_rate_takes_the_place_of_the_assumed_one():
    from hdc.study.rates import key_of

    run = compose_run("hdc", backbone="r3d18", data="ucf101", scale="paper")
    known = estimates(measured={key_of(run.backbone, run.clip): 1200.0})
    needs = known.of("pretrain", "r3d18", "hdc", "ucf101", 1)
    assert needs.seconds == pytest.approx(60 + 200 * 9537 * 3 / 1200, rel=1e-6)
    assert needs.measured


def test_fine_tuning_and_testing_are_counted_by_hand():
    """150 epochs; ten clips of a test video pass forward only, which is a third of the work."""
    needs = estimates().of("finetune", "r3d18", "hdc", "ucf101", 1)
    assert needs.seconds == pytest.approx(60 + (150 * 9537 + 3783 * 10 / 3) / 600, rel=1e-6)


def test_several_gpus_share_the_time_and_add_up_the_rest():
    one = estimates().of("pretrain", "r3d18", "hdc", "ucf101", 1)
    wide = estimates(settings={"progress.devices": 4}).of("pretrain", "r3d18", "hdc", "ucf101", 1)
    assert wide.gpus == 4 and wide.processors == 4 * one.processors
    assert wide.seconds - 60 == pytest.approx((one.seconds - 60) / 4)
    assert wide.memory > 2 * one.memory
    assert (
        estimates(settings={"progress.devices": 4}).of("finetune", "r3d18", "hdc", "ucf101", 1).gpus
        == 1
    )


def test_memory_grows_with_the_batch_and_the_clip():
    small = estimates(on_gpu=False).of("pretrain", "r3d18", "hdc", "ucf101", 1)
    for change in ({"pretrain.batch_size": 128}, {"clip.pixels": 160}):
        larger = estimates(on_gpu=False, settings=change).of(
            "pretrain", "r3d18", "hdc", "ucf101", 1
        )
        assert larger.memory > 1.5 * small.memory
    chunked = estimates(on_gpu=False, settings={"pretrain.chunk": 8})
    assert chunked.of("pretrain", "r3d18", "hdc", "ucf101", 1).memory < small.memory / 2


def test_a_run_that_is_not_trained_takes_the_start_alone():
    assert (
        estimates(ablations=["random_init"])
        .of("pretrain", "r3d18", "random_init", "ucf101", 1)
        .seconds
        == 60.0
    )


def test_readers_and_two_more_threads_feed_a_gpu():
    run = compose_run("hdc", backbone="r3d18", data="ucf101", scale="paper")
    videos = count_videos(run, 1, 0)
    assert processors(run, videos, on_gpu=True) == 4
    assert processors(run, videos, on_gpu=False) == 1
    more = compose_run(
        "hdc", backbone="r3d18", data="ucf101", scale="paper", overrides=["progress.workers=6"]
    )
    assert processors(more, videos, on_gpu=True) == 8


@pytest.mark.parametrize(("ablation", "seen"), [("hdc", 3), ("coupled", 2), ("supervised", 1)])
def test_views_that_no_term_uses_cost_nothing(ablation, seen):
    assert views(compose_run(ablation, backbone="r3d18", data="ucf101", scale="paper")) == seen


def test_a_job_may_take_longer_with_every_attempt_and_where_its_time_is_assumed():
    measured, assumed = (Needs(3600.0, known, 100, 1, 1) for known in (True, False))
    assert [measured.minutes(attempt) for attempt in (1, 2)] == [90, 180]
    assert assumed.minutes() == 180
    assert Needs(1.0, True, 100, 1, 1).minutes() == 15
