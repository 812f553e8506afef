"""A batch of more videos than there are to train on is refused before anything is prepared."""

from pathlib import Path

import pytest

from hdc.data.index import MISSING
from hdc.runtime.errors import InputError
from hdc.settings import compose as config
from hdc.study.batch_sizes import require_enough_videos
from hdc.study.study import Source, Study

SMOKE = {
    "study": "changed", "scale": "smoke", "pretrain_on": "same", "backbones": ["r3d18"],
    "ablations": ["hdc"], "seeds": [0],
}  # fmt: skip
MADE = {"evaluate_on": {"synthetic_smoke": [1]}}
ABOUT = "about:\n  question: Why not?\n  paper: not in the paper\n"


@pytest.fixture(autouse=True)
def place(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    config.forget_composed()
    yield workplace
    config.forget_composed()


def refused(sources=None, **changes):
    """What is said of a study."""
    study = Study.read(SMOKE | changes)
    sources = sources or {name: study.source(name, compare=False) for name in study.data_sets()}
    try:
        require_enough_videos(study, sources)
    except InputError as error:
        return str(error)
    return ""


def ablation(text):
    Path("ablations/other.yaml").write_text(ABOUT + text)
    return {"ablations": ["hdc", "other"]}


def made_videos():
    """Numbers of training, validation and test videos."""
    run = config.compose_run("hdc", backbone="r3d18", data="synthetic_smoke", scale="smoke")
    made = run.data.synthetic
    return made.train_videos, made.validation_videos, made.test_videos


def test_the_studies_there_are_have_enough():
    train, validation, _ = made_videos()
    assert train + validation >= 16 and refused(**MADE) == ""


def test_made_videos_are_counted_by_their_settings():
    train, validation, test = made_videos()
    most = train + validation
    said = refused(**MADE, **ablation(f"pretrain: {{batch_size: {most + 1}}}\n"))
    assert said == (
        f"ablations/other.yaml: pretrain.batch_size: expected at most {most}, the videos to train "
        f"on in split 1 of synthetic_smoke, got {most + 1}; make it smaller there, or train on "
        "more videos"
    )
    config.forget_composed()
    assert refused(**MADE, **ablation(f"pretrain: {{batch_size: {most}}}\n")) == ""
    config.forget_composed()
    more = ablation(f"pretrain: {{batch_size: {most + test + 1}}}\n")
    said = refused(pretrain_on="synthetic_smoke", allow_pretrain_on_test=True, **MADE, **more)
    assert f"expected at most {most + test}, the videos to train on in synthetic_smoke, " in said


def test_fine_tuning_that_chooses_an_epoch_trains_without_validation():
    train, *_ = made_videos()
    text = "finetune: {batch_size: %d, checkpoint: best_on_validation}\n"
    assert refused(**MADE, **ablation(text % train)) == ""
    config.forget_composed()
    said = refused(**MADE, **ablation(text % (train + 1)))
    assert f"finetune.batch_size: expected at most {train}, " in said


def test_the_file_that_sets_the_size_is_named(monkeypatch):
    """Also where a scale takes it over from another."""
    few = {"synthetic_smoke": Source("", 1, 1)}
    monkeypatch.setattr("hdc.study.batch_sizes._most_videos", lambda *_: 3)
    for scale, file in (("smoke", "smoke"), ("small", "demo"), ("ceiling", "demo")):
        said = refused(few, scale=scale, **MADE)
        assert f"hdc/conf/scale/{file}.yaml: pretrain.batch_size: expected at most 3, " in said


def test_published_videos_are_counted_by_their_lists(place):
    change = {"evaluate_on": {"ucf101": [2]}, "scale": "paper", "data": {"ucf101": "videos"}}
    (place / "videos").mkdir()
    run = ablation("pretrain: {batch_size: 9587}\n")
    said = refused({"ucf101": Source("videos", 1, 13320)}, **change, **run)
    assert "expected at most 9,586, the videos to train on in split 2 of ucf101, got 9,587" in said
    config.forget_composed()
    run = ablation("pretrain: {batch_size: 246535}\n")
    sources = {name: Source("videos", 1, 13320) for name in ("ucf101", "kinetics400")}
    said = refused(sources, **change, **run, pretrain_on="kinetics400")
    assert "at most 246,534, the videos to train on in kinetics400, got 246,535" in said


def test_videos_of_a_folder_are_counted_by_the_fold(place):
    for label in ("run", "walk"):
        for person in "abcdefghi":
            path = place / f"videos/{label}/{person}_{label}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    change = {"evaluate_on": {"weizmann": [1]}, "data": {"weizmann": "videos"}}
    assert refused(**change) == ""
    config.forget_composed()
    said = refused(**change, **ablation("finetune: {batch_size: 17}\n"))
    assert "expected at most 16, the videos to train on in split 1 of weizmann, got 17" in said


def test_where_the_originals_are_gone_what_was_prepared_is_counted(place):
    prepared = place / "results/data/weizmann"
    prepared.mkdir(parents=True)
    (prepared / "store.json").touch()
    names = [f"{number}.avi" for number in range(20)]
    parts = ["train"] * 14 + ["val"] * 2 + ["test"] * 4
    rows = "".join(f"{name},{part}\n" for name, part in zip(names, parts, strict=True))
    (prepared / "split1.csv").write_text(f"video,part\n{rows}")
    rows = "".join(f"{name},run,g{name}\n" for name in names)
    (prepared / "listed.csv").write_text(f"video,label,group\n{rows}")
    (prepared / "rejected.csv").write_text(f"video,reason\n0.avi,{MISSING}\n")
    change = {"evaluate_on": {"weizmann": [1]}, "data": {"weizmann": "gone"}}
    said = refused(**change, allow_missing=True)
    assert "expected at most 15, the videos to train on in split 1 of weizmann, got 16" in said


def test_an_encoder_that_is_taken_over_trains_nothing_there(place, monkeypatch):
    monkeypatch.setattr(Study, "_require_adoptable", lambda *_: None)
    monkeypatch.setattr("hdc.study.batch_sizes._most_videos", lambda *_: 16)
    run = ablation("encoder: e.safetensors\npretrain: {batch_size: 99}\n")
    assert refused(**MADE, **run) == ""
