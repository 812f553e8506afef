import json

import pytest
import yaml

from hdc.data.index import MISSING
from hdc.data.store import write_manifest
from hdc.runtime.errors import InputError
from hdc.settings import compose as config
from hdc.study.runs import Run, part_of
from hdc.study.study import Source, Study

DEMO = {
    "study": "demo",
    "scale": "demo",
    "pretrain_on": "same",
    "evaluate_on": {"synthetic": [1]},
    "backbones": ["r3d18"],
    "ablations": ["hdc", "random_init"],
    "seeds": [0, 1],
}


def test_evaluations_are_the_grid():
    found = list(Study.read(DEMO).evaluations())
    assert len(found) == 4
    folder = "results/demo/runs/r3d18/hdc/seed1/synthetic-split1"
    assert found[1].run == Run("demo", "r3d18", "hdc", 1, "synthetic-split1")
    assert found[1].run.folder == folder
    assert found[1].folder == f"{folder}/synthetic/split1"


def test_one_pretraining_serves_several_splits():
    study = Study.read(
        DEMO | {"pretrain_on": "synthetic", "evaluate_on": {"weizmann": [1, 2]}, "seeds": [0]}
    )
    assert {one.run.pretrained_on for one in study.evaluations()} == {"synthetic"}
    assert len({one.run for one in study.evaluations()}) == 2
    assert study.data_sets() == ["synthetic", "weizmann"]


def test_same_pretrains_once_a_split():
    study = Study.read(DEMO | {"evaluate_on": {"weizmann": [1, 3]}})
    found = {one.run.pretrained_on for one in study.evaluations()}
    assert found == {"weizmann-split1", "weizmann-split3"}


def test_all_and_skip():
    study = Study.read(DEMO | {"ablations": "all", "skip": ["hdc"]})
    assert "hdc" not in study.ablations and "random_init" in study.ablations


def test_parts():
    assert part_of("ucf101-split1") == ("ucf101", 1)
    assert part_of("kinetics400") == ("kinetics400", None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"backbones": ["r3d19"]},
            "backbones: expected one of .*r3d18.*r3d19",
        ),
        (
            {"ablations": ["hcd"]},
            "ablations: expected one of .*hdc.*, got hcd",
        ),
        ({"scale": "huge"}, "scale: expected one of ceiling, demo, "),
        ({"evaluate_on": {"ufc101": [1]}}, "evaluate_on: expected one of .*, got ufc101"),
        ({"evaluate_on": {"synthetic": [2]}}, "evaluate_on: synthetic has splits 1 to 1, got 2"),
        ({"pretrain_on": "weizmann-split10"}, "pretrain_on: weizmann has splits 1 to 9, got 10"),
        ({"pretrain_on": "a b"}, "pretrain_on: expected a data set such as ucf101"),
        ({"pretrain_on": "synthetic"}, "pretrain_on: expected same, or synthetic-split1"),
        ({"home_studies": ["demo"]}, "home_studies: expected other studies, got demo itself"),
        (
            {"protocol": "frozen_linear", "ablations": ["hdc"]},
            "ablations: expected random_init among them, because protocol frozen_linear",
        ),
        (
            {"protocol": "frozen_attentive", "skip": ["random_init"]},
            "ablations: expected random_init among them",
        ),
        (
            {"protocol": "vcp"},
            "protocol: expected one of frozen_.*, ours, rspnet, vcop .*, got vcp",
        ),
        ({"study": "data"}, "expected a name other than data and published"),
        ({"ablate_on": ["c3d"]}, "ablate_on: expected some of r3d18, got c3d"),
    ],
)
def test_refuses_unknown_names(change, message):
    with pytest.raises(InputError, match=message):
        Study.read(DEMO | change)


def test_judging_on_what_was_pretrained_on_has_to_be_asked_for():
    change = {"pretrain_on": "synthetic"}
    with pytest.raises(InputError, match="allow_pretrain_on_test: true goes on"):
        Study.read(DEMO | change)
    study = Study.read(DEMO | change | {"allow_pretrain_on_test": True})
    assert {one.run.pretrained_on for one in study.evaluations()} == {"synthetic"}


def test_where_videos_come_from(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    study = Study.read(DEMO | {"evaluate_on": {"weizmann": [1]}})
    with pytest.raises(
        InputError, match="data: weizmann: expected an existing folder of videos, got no"
    ):
        study.source("weizmann")
    for label in ("run", "walk"):
        for person in "abcdefghi":
            path = workplace / f"videos/{label}/{person}_{label}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    study = Study.read(DEMO | {"data": {"weizmann": "videos"}})
    assert study.source("weizmann") == Source("videos", 1, 18)
    assert study.source("synthetic") == Source("", 1, 1360)


def test_plan_names_every_folder_and_question():
    plan = json.loads(Study.read(DEMO).plan())
    assert list(plan["ablations"]) == ["hdc", "random_init"]
    assert plan["ablations"]["hdc"]["question"].endswith("?")
    assert plan["evaluations"][0]["folder"].startswith(plan["evaluations"][0]["run_folder"])
    assert plan["evaluations"][0]["seed"] == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "pretrained_by: hdc\nobjective: {terms: {spatial: {loss: {temperature: 1}}}}\n",
            "pretrained_by: expected the ",
        ),
        ("pretrained_by: hcd\n", "pretrained_by: expected one of .*hdc"),
        (
            "store: {short_side: 20}\n",
            "data, decoding, store: expected nothing; prepared data are shared",
        ),
        (
            "objective: {weighting: frozen, measured_by: x}\n",
            "objective.measured_by: expec",
        ),
    ],
)
def test_refuses_a_run_that_would_not_be_what_it_says(workplace, monkeypatch, body, message):
    monkeypatch.chdir(workplace)
    about = "about:\n  question: Why not?\n  paper: not in the paper\n"
    (workplace / "ablations/new.yaml").write_text(about + body)
    config.forget_composed()
    with pytest.raises(InputError, match=f"ablations/new.yaml: {message}"):
        Study.read(DEMO | {"ablations": ["hdc", "new"]})
    config.forget_composed()


def test_originals_may_be_gone_once_they_are_prepared(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    prepared = workplace / "results/data/weizmann"
    prepared.mkdir(parents=True)
    write_manifest(prepared, form="raw", short_side=8, key_frame_every=8, shards=[], videos=[])
    (prepared / "listed.csv").write_text("video,label,group\na.avi,run,ann\nb.avi,run,bob\n")
    (prepared / "rejected.csv").write_text("video,reason\n")
    study = DEMO | {"evaluate_on": {"weizmann": [1]}, "data": {"weizmann": "gone"}}
    assert Study.read(study).source("weizmann") == Source("gone", 1, 2)
    (prepared / "rejected.csv").write_text(f"video,reason\nb.avi,{MISSING}\n")
    with pytest.raises(InputError, match="expected 2 listed videos, found 1 of them missing"):
        Study.read(study).source("weizmann")
    allowing = Study.read(study | {"allow_missing": True})
    assert allowing.source("weizmann") == Source("gone", 1, 1)


def test_the_plan_tells_the_report_what_the_study_says_of_itself():
    words = {"question": "Does it help?", "note": "An illustration.", "duration": "an hour"}
    study = Study.read(DEMO | words)
    plan = json.loads(study.plan())
    assert (plan["question"], plan["note"], study.duration) == tuple(words.values())
    assert json.loads(Study.read(DEMO).plan())["note"] == ""


@pytest.mark.parametrize(
    "name", ["ceiling", "demo", "shortcut", "shortcut_control", "smoke", "synthetic"]
)
def test_every_study_of_made_videos_can_be_read(name, root):
    study = Study.read(yaml.safe_load((root / f"config/{name}.yaml").read_text()))
    assert study.study == name
    assert study.question.endswith("?") or study.question.endswith(".")
    assert bool(study.comparisons) == (name == "synthetic")
