"""Clips that are too small for a network are refused before anything is prepared."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from hdc.encoders.build import build_to_fill
from hdc.encoders.least_clip import problem
from hdc.runtime.errors import InputError
from hdc.settings import compose as config
from hdc.settings.compose import allowed, compose_run
from hdc.study import clip_sizes
from hdc.study.clip_sizes import least_clip, require_clips_taken
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
        config._compose.cache_clear()
        return Study.read(STUDY | changes)

    yield read
    config._compose.cache_clear()


def timm(model):
    target = "hdc.backbones.timm2plus1d.timm2plus1d"
    return {"_target_": target, "model": model, "pretrained": False, "width": 1.0}


@pytest.mark.parametrize(
    ("model", "least"), [("convnext_tiny", 32), ("vgg11", 32), ("inception_v3", 75)]
)
def test_the_least_clip_of_any_timm_model_is_found(model, least):
    said = f"clip.pixels: expected at least {least}, got 16"
    assert problem(timm(model), 16, 16) == said
    assert problem(timm(model), 16, least - 1).startswith(f"clip.pixels: expected at least {least}")
    assert problem(timm(model), 16, least) == ""


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
    run = compose_run("hdc", backbone=name, data="synthetic", scale="smoke")
    backbone = dict(run.backbone)
    frames, pixels = least_clip(backbone["_target_"])
    assert (frames, pixels) == (1, 1) and problem(backbone, frames, pixels) == ""
    with torch.no_grad():
        build_to_fill(backbone).eval()(torch.zeros(2, 3, frames, pixels, pixels))


def test_planning_names_backbone_scale_and_least_size_and_tries_once(study, monkeypatch):
    small = study("backbone: {model: convnext_tiny}\n")
    said = (
        r"^backbone timm2plus1d \(other, scale smoke\): clip.pixels: expected at least 32, got 16; "
        "choose a larger scale, "
    )
    with pytest.raises(InputError, match=said):
        require_clips_taken(small)
    monkeypatch.setattr(clip_sizes.subprocess, "run", None)  # no other try
    with pytest.raises(InputError, match=said):
        require_clips_taken(small)
    with pytest.raises(TypeError):
        require_clips_taken(study("backbone: {model: convnext_tiny}\nclip: {pixels: 32}\n"))


def test_networks_that_say_what_they_take_are_not_tried(study, monkeypatch):
    monkeypatch.setattr(clip_sizes.subprocess, "run", None)
    require_clips_taken(study("clip: {pixels: 1}\n", backbones=["r3d18", "c3d"]))
    monkeypatch.setattr(clip_sizes, "least_clip", lambda _: (16, 20))
    said = r"backbone r3d18 \(hdc, scale smoke\): clip.pixels: expected at least 20, got 16; "
    with pytest.raises(InputError, match=said):
        require_clips_taken(study("", backbones=["r3d18"]))


def test_a_damaged_memory_of_tries_is_made_again(study, monkeypatch):
    done = SimpleNamespace(returncode=0, stdout='a warning\n[""]\n')
    monkeypatch.setattr(clip_sizes.subprocess, "run", lambda *_, **__: done)
    clip_sizes.TRIED.parent.mkdir()
    clip_sizes.TRIED.write_text("{")
    require_clips_taken(study("", ablations=["hdc"]))
    assert list(json.loads(clip_sizes.TRIED.read_text()).values()) == [""]


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
