"""Clips that are too small for a network are refused before anything is prepared."""

import html
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import yaml

from hdc import report
from hdc.backbones.level import time_steps
from hdc.commands.status import status
from hdc.encoders.build import build_to_fill
from hdc.encoders.clip_trial import try_clip
from hdc.runtime.errors import InputError
from hdc.settings import compose as config
from hdc.settings.compose import compose_run
from hdc.settings.files import allowed
from hdc.study import impossible_runs
from hdc.study.impossible_runs import Fit, fit_by_source, without_impossible_runs
from hdc.study.study import Study

STUDY = {
    "study": "changed", "scale": "smoke", "pretrain_on": "same", "evaluate_on": {"synthetic": [1]},
    "backbones": ["timm2plus1d"], "ablations": ["hdc", "other"], "seeds": [0],
}  # fmt: skip
OTHER = "about:\n  question: Why not?\n  paper: not in the paper\n"


@pytest.fixture
def study(workplace, monkeypatch):
    """Read a study of a run with other settings beside the method."""
    monkeypatch.chdir(workplace)

    def read(text, **changes):
        Path("ablations/other.yaml").write_text(OTHER + text)
        config.forget_composed()
        return Study.read(STUDY | changes)

    yield read
    config.forget_composed()


def timm(model):
    target = "hdc.backbones.timm2plus1d.timm2plus1d"
    return {"_target_": target, "model": model, "pretrained": False, "width": 1.0}


def problem(backbone, frames, pixels):
    return try_clip(backbone, frames, pixels)["problem"]


@pytest.mark.parametrize(
    ("model", "least"), [("convnext_tiny", 32), ("vgg11", 32), ("inception_v3", 75)]
)
def test_the_least_clip_of_any_timm_model_is_found(model, least):
    said = f"clip.pixels: expected at least {least}, got 16"
    assert problem(timm(model), 16, 16) == said
    assert problem(timm(model), 16, least - 1).startswith(f"clip.pixels: expected at least {least}")
    found = try_clip(timm(model), 16, least)
    assert found["problem"] == "" and [*found["time_steps"].values()] == [8, 4, 2]


def test_what_is_found_without_memory_is_true():
    encoder = build_to_fill(timm("test_convnext")).eval()
    said = problem(timm("test_convnext"), 8, 4)
    least = int(re.fullmatch(r"clip.pixels: expected at least (\d+), got 4", said)[1])
    with torch.no_grad():
        encoder(torch.zeros(2, 3, 8, least, least))
        with pytest.raises(RuntimeError):
            encoder(torch.zeros(2, 3, 8, least - 1, least - 1))


@pytest.mark.parametrize("name", sorted({*allowed("backbone")} - {"timm2plus1d"}))
def test_what_a_module_says_of_its_networks_is_true(name):
    """Of the smallest clips, and of those that leave a rest."""
    run = compose_run("hdc", backbone=name, data="synthetic", scale="smoke")
    backbone = dict(run.backbone)
    assert "at least 1, got 0" in fit_by_source(backbone, 0, 1).problem
    assert "at least 1, got 0" in fit_by_source(backbone, 1, 0).problem
    encoder = build_to_fill(backbone).eval()
    for frames, pixels in ((1, 1), (9, 17), (16, 32)):
        fit = fit_by_source(backbone, frames, pixels)
        assert fit.problem == problem(backbone, frames, pixels) == ""
        with torch.no_grad():
            features = encoder(torch.zeros(2, 3, frames, pixels, pixels))
        assert list(fit.time_steps) == list(encoder.levels) == list(features)
        for name, level in encoder.levels.items():
            _, channels, times, height, _ = features[name].shape
            assert channels == level.channels
            assert times == fit.time_steps[name] == time_steps(frames, level.time_stride)
            assert height == -(-pixels // level.space_stride)


def test_planning_names_backbone_scale_and_least_size_and_tries_once(study, monkeypatch):
    small = study("backbone: {model: convnext_tiny}\n")
    said = (
        r"^backbone timm2plus1d \(other, scale smoke\): clip.pixels: expected at least 32, got 16; "
        "choose a larger scale, "
    )
    with pytest.raises(InputError, match=said):
        without_impossible_runs(small)
    monkeypatch.setattr(impossible_runs.subprocess, "run", None)  # no other try
    with pytest.raises(InputError, match=said):
        without_impossible_runs(small)
    with pytest.raises(TypeError):
        without_impossible_runs(study("backbone: {model: convnext_tiny}\nclip: {pixels: 32}\n"))


def test_networks_that_say_what_they_take_are_not_tried(study, monkeypatch):
    monkeypatch.setattr(impossible_runs.subprocess, "run", None)
    without_impossible_runs(study("clip: {pixels: 1}\n", backbones=["r3d18", "c3d"]))
    found = Fit("clip.pixels: expected at least 20, got 16", {})
    monkeypatch.setattr(impossible_runs, "fit_by_source", lambda *_: found)
    said = r"backbone r3d18 \(hdc, scale smoke\): clip.pixels: expected at least 20, got 16; "
    with pytest.raises(InputError, match=said):
        without_impossible_runs(study("", backbones=["r3d18"]))


def test_a_damaged_memory_of_tries_is_made_again(study, monkeypatch):
    fit = {"problem": "", "time_steps": {"stage3": 8, "stage4": 4, "stage5": 2}}
    done = SimpleNamespace(returncode=0, stdout=f"a warning\n{json.dumps([fit])}\n")
    monkeypatch.setattr(impossible_runs.subprocess, "run", lambda *_, **__: done)
    impossible_runs.TRIED.parent.mkdir()
    impossible_runs.TRIED.write_text("{")
    without_impossible_runs(study("", ablations=["hdc"]))
    assert list(json.loads(impossible_runs.TRIED.read_text()).values()) == [fit]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("clip: {frames: 8}\n", "objective.terms.spatial.pool: expected at least 2 time steps at "
         "layer4 to pool over space alone, clips of 8 frames leave 1; use longer clips or fewer"),
        ("objective: {terms: {temporal: {weights: [1, 1, 1, 1]}}}\n",
         "objective.terms.temporal.weights: expected at most 3, one for each level of the "),
    ],
)  # fmt: skip
def test_an_objective_that_cannot_be_is_refused(study, text, why):
    with pytest.raises(InputError, match=re.escape(f"backbone r3d18 (other, scale smoke): {why}")):
        without_impossible_runs(study(text, backbones=["r3d18"]))


@pytest.mark.parametrize(
    "text",
    [
        "clip: {frames: 8}\nobjective: {terms: {spatial: null}}\n",
        "clip: {frames: 8}\npretrain: {epochs_factor: 1, labels: true}\n",
        "clip: {frames: 8}\npretrain: {epochs: 0}\n",
    ],
    ids=["clips only", "labels", "untrained"],
)
def test_what_does_not_tell_time_steps_apart_may_have_one(study, text):
    assert impossible_runs.impossible_runs(study(text, backbones=["r3d18"])) == {}


def test_gaps_are_left_out_of_the_jobs_and_stay_in_the_plan(study):
    asked = study("clip: {frames: 8}\n", backbones=["r3d18"], allow_gaps=True)
    found = without_impossible_runs(asked)
    assert list(found.gaps) == ["r3d18/other"]
    assert {one.run.ablation for one in found.evaluations()} == {"hdc"}
    plan = json.loads(found.plan())
    assert plan["gaps"] == found.gaps
    assert {one["ablation"] for one in plan["evaluations"]} == {"hdc", "other"}
    assert "gaps" not in json.loads(without_impossible_runs(study("")).plan())


def test_weights_measured_by_a_run_that_cannot_be_cannot_be_either(study):
    Path("ablations/third.yaml").write_text(
        f"{OTHER}objective: {{weighting: frozen, measured_by: other}}\n"
    )
    asked = study("clip: {frames: 8}\n", backbones=["r3d18"], ablations=["other", "third"])
    found = impossible_runs.impossible_runs(asked)
    assert found["r3d18/third"] == "objective.measured_by: other cannot be"


def test_the_report_and_the_status_of_a_study_with_a_gap(study, capsys):
    """Each cell says why; nothing waits for it."""
    asked = study("clip: {frames: 8}\n", backbones=["r3d18"], allow_gaps=True)
    folder = Path("results/changed")
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(without_impossible_runs(asked).plan())
    report.main(report.STAGE.read([f"study={folder / 'study.json'}", f"output_dir={folder}"]))
    why = "r3d18/other cannot be: objective.terms.spatial.pool: expected at least 2 time steps"
    page = html.unescape((folder / "report.html").read_text())
    assert "1 run of this study cannot be; the cells say why." in page
    table = pd.read_csv(folder / "tables/retrieval.csv").set_index("ablation")
    assert table.missing["other"].startswith(why)
    assert table.missing["hdc"].startswith("no record: ")
    status(folder, as_json=True)
    jobs = json.loads(capsys.readouterr().out.splitlines()[-1])["jobs"]
    assert jobs and not any("/other/" in job["name"] for job in jobs)


def test_snakemake_refuses_both_before_the_first_job(call, study, workplace):
    Path("config/changed.yaml").write_text(yaml.safe_dump(STUDY))
    for text, said in (
        ("pretrain: {batch_size: 9999}\n", "pretrain.batch_size: expected at most 960,"),
        ("backbone: {model: convnext_tiny}\n", "clip.pixels: expected at least 32, got 16"),
    ):
        study(text)
        words = ("-n", "--cores", "1", "--configfile", "config/changed.yaml")
        done = call("snakemake", *words, cwd=workplace)
        printed = done.stdout + done.stderr
        assert done.returncode != 0 and "Traceback" not in printed
        assert said in printed, printed
        [line] = [line for line in printed.splitlines() if said in line]
        assert "config/changed.yaml: " in line
