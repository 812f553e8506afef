"""A run that takes an encoder over: planned, adopted and judged like any other."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torchvision.models.video import r3d_18

from hdc.encoders.file import encoder_facts

ABOUT = "about:\n  question: Does it help?\n  paper: not in the paper\n"
QUICK = ("scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "pretrain.batch_size=4")


@pytest.fixture
def adopt(call, root, tiny, tmp_path):
    """Let a run of the tiny data set take an encoder over, as the stage does it."""

    def run(encoder, *words):
        return call(
            "hdc.pretrain", *QUICK, "ablation=hdc", "seed=0", f"prepared={tiny}", "split=1",
            f"output_dir={tmp_path / 'run'}", f"encoder={encoder}", *words, cwd=root,
        )  # fmt: skip

    return run


def test_a_run_takes_an_encoder_over_and_is_judged(
    adopt, bring, saved, weights, mapping, call, root, tiny, tmp_path
):
    index = pd.read_csv(tiny / "index.csv")
    split = pd.read_csv(tiny / "split1.csv")
    seen = index[index.video.isin(split.video[split.part == "train"])]
    seen.to_csv(tmp_path / "seen.csv", index=False)
    naming = mapping(mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.1])
    source = bring(saved(weights), naming, tmp_path / "seen.csv")
    done = adopt(source)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    names = {"encoder.safetensors", "pretrain.json", "videos.csv", "views.png", "config.yaml"}
    assert {path.name for path in run.iterdir()} >= names
    facts, given = encoder_facts(run / "encoder.safetensors"), encoder_facts(source)
    for key in ("input", "imported_from", "pretrained_on", "videos", "videos_known", "build"):
        assert facts[key] == given[key], key
    assert facts["ablation"] == "hdc" and facts["seed"] == 0
    found = load_file(run / "encoder.safetensors")
    assert all(torch.equal(found[key], weights[key]) for key in weights)
    assert (run / "videos.csv").read_bytes() == source.with_name("videos.csv").read_bytes()
    record = json.loads((run / "pretrain.json").read_text())
    assert record["metrics"]["steps"] == record["metrics"]["pretraining_videos"] == 0
    assert record["metrics"]["parameters"] > 0 and record["metrics"]["multiply_adds"] > 0
    assert record["protocol"]["trained_on"].endswith("imported, pretrained on planted videos")
    assert record["settings"]["encoder"] == str(source)
    words = (*QUICK[:3], "ablation=hdc", f"prepared={tiny}", f"encoder={run}/encoder.safetensors")
    call(
        "hdc.finetune", *words, "split=1", "seed=0", f"output_dir={tmp_path}/judged",
        "finetune.batch_size=4", cwd=root, check=True,
    )  # fmt: skip
    call("hdc.embed", *words, f"output_dir={tmp_path}/judged", cwd=root, check=True)


def test_an_imported_encoder_is_not_judged_on_what_it_saw(
    bring, saved, weights, call, root, tiny, tmp_path
):
    source = bring(saved(weights), videos=tiny / "index.csv")
    done = call(
        "hdc.finetune", *QUICK[:3], "ablation=hdc", f"prepared={tiny}", f"encoder={source}",
        "split=1", "seed=0", f"output_dir={tmp_path}/judged", cwd=root,
    )  # fmt: skip
    assert done.returncode == 1 and "expected an encoder that saw no test video" in done.stderr


def test_an_encoder_of_another_width_is_not_taken_over(adopt, bring, saved, weights):
    done = adopt(bring(saved(weights)), "backbone.width=1")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "expected an encoder of width 1" in done.stderr
    assert "set backbone.width: 0.0625 in the ablation" in done.stderr


@pytest.fixture
def plan(call, workplace):
    """A dry run of a study of hdc and a run whose file ends in `body`."""

    def run(body, *words):
        (workplace / "ablations/imported.yaml").write_text(ABOUT + body)
        study = yaml.safe_load((workplace / "config/smoke.yaml").read_text())
        study |= {"ablations": ["hdc", "imported"], "skip": []}
        (workplace / "config/changed.yaml").write_text(yaml.safe_dump(study))
        words = ("--configfile", "config/changed.yaml", *words)
        return call("snakemake", "-n", "--cores", "2", *words, cwd=workplace)

    return run


def test_a_study_plans_a_run_that_takes_an_encoder_over(plan, bring, saved, weights, workplace):
    shutil.copytree(bring(saved(weights)).parent, workplace / "encoders")
    done = plan("encoder: encoders/encoder.safetensors\n")
    assert done.returncode == 0, done.stdout + done.stderr
    [job] = re.findall(r"rule pretrain:\n(?:    .*\n)*?    input: (.*encoders/.*)\n", done.stdout)
    assert "encoders/encoder.safetensors, encoders/videos.csv" in job
    for stage in ("finetune", "embed", "evaluate"):
        assert re.search(rf"rule {stage}:\n(?:    .*\n)*?    output: .*/imported/", done.stdout)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("encoder: none.safetensors\n", "encoder: none.safetensors: expected an encoder, found no"),
        ("encoder: config/smoke.yaml\n", "encoder: config/smoke.yaml: expected an encoder written"),
        (
            "encoder: encoder.safetensors\nbackbone: {width: 1.0}\n",
            "encoder: encoder.safetensors: expected an encoder of width 1.0, found one of width",
        ),
        (
            "encoder: encoder.safetensors\npretrained_by: hdc\n",
            "pretrained_by: expected nothing beside an encoder to take over, got hdc",
        ),
        (
            "encoder: encoder.safetensors\npretrain: {labels: true}\n",
            "pretrain.labels: expected nothing beside an encoder to take over, got True",
        ),
        (
            "encoder: encoder.safetensors\nobjective: {weighting: frozen, measured_by: hdc}\n",
            "objective.measured_by: expected nothing beside an encoder to take over, got hdc",
        ),
    ],
)
def test_an_encoder_that_cannot_be_taken_over_stops_before_the_first_job(
    plan, bring, saved, weights, workplace, body, message
):
    shutil.copytree(bring(saved(weights)).parent, workplace, dirs_exist_ok=True)
    done = plan(body)
    printed = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in printed
    assert f"ablations/imported.yaml: {message}" in printed


def test_the_documented_way_works(call, root, workplace, plan):
    """The command and the ablation of docs/adding.md, from the file to a plan."""
    text = (root / "docs/adding.md").read_text().partition("## Encoders")[2]
    blocks = {kind: re.search(rf"^```{kind}\n(.*?)^```$", text, re.M | re.S)[1]
              for kind in ("bash", "yaml")}  # fmt: skip
    torch.save(r3d_18().state_dict(), workplace / "r3d_18.pth")
    call("bash", "-c", blocks["bash"], cwd=workplace, check=True)
    name, _, body = blocks["yaml"].partition("\n")
    (workplace / name.removeprefix("# ")).write_text(body)
    done = plan("pretrained_by: null\n", "--config", f"ablations=[{Path(name).stem}]")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "encoders/r3d_18/encoder.safetensors" in done.stdout
