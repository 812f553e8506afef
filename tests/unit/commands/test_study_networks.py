"""The doctor computes what a named study trains, in its precision and at its shapes."""

import pytest
import torch
import yaml

from hdc.commands import study_networks
from hdc.commands.doctor import doctor
from hdc.study.study import Study
from hdc.training.soundness import LayersCheck

ABLATION = """
about:
  question: Is bf16 right?
  paper: not in the paper
pretrain:
  precision: bf16-mixed
  batch_size: 8
"""


@pytest.fixture
def config(workplace, monkeypatch):
    """A study of two runs, one of which asks for bf16 in pretraining."""
    monkeypatch.chdir(workplace)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (workplace / "ablations/in_bf16.yaml").write_text(ABLATION)
    content = yaml.safe_load((workplace / "config/smoke.yaml").read_text())
    content |= {"backbones": ["r3d18"], "skip": [], "ablations": ["hdc", "random_init", "in_bf16"]}
    (workplace / "config/mine.yaml").write_text(yaml.safe_dump(content))
    return content


def test_each_network_is_there_once_with_the_shapes_of_its_training(config):
    found = [
        (one.key, one.precision, one.clips)
        for one in study_networks.trained_networks(Study.read(config))
    ]
    assert sorted(found) == [
        ("finetune.precision", "32-true", (16, 3, 16, 16, 16)),
        ("pretrain.precision", "32-true", (48, 3, 16, 16, 16)),  # three views of 16 videos
        ("pretrain.precision", "bf16-mixed", (24, 3, 16, 16, 16)),
    ]


@pytest.mark.parametrize(
    ("problem", "start", "end"),
    [
        (None, "ok", "3 layers agree with float64, the worst to 0.40%"),
        ("layer4 is off", "!!", "layer4 is off; set pretrain.precision to 32-true"),
        (RuntimeError("no memory\nmore"), "--", "not measured: no memory"),
    ],
)
def test_what_the_doctor_says_of_them(config, monkeypatch, capsys, problem, start, end):
    computed = []

    def check(network, clips, *, device, precision):
        computed.append((clips, device.type, precision))
        if isinstance(problem, RuntimeError):
            raise problem
        return LayersCheck(3, 0.004, problem)

    monkeypatch.setattr(study_networks, "check_layers", check)
    doctor(["config/mine.yaml"])
    lines = [one for one in capsys.readouterr().out.splitlines() if ": networks: " in one]
    assert lines == [
        "ok config/mine.yaml: networks: 2 train in 32-true on the processor",
        f"{start} config/mine.yaml: networks: r3d18, 24 clips of 16 x 16 x 16 in bf16-mixed on "
        f"cpu: {end}",
    ]
    assert computed == [((24, 3, 16, 16, 16), "cpu", "bf16-mixed")]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"seeds": 3}, "one with a wrong value; snakemake -n names its key"), ({}, "no backbones")],
)
def test_what_is_no_study(config, capsys, workplace, change, words):
    if not change:
        del config["backbones"]
    (workplace / "config/mine.yaml").write_text(yaml.safe_dump(config | change))
    assert not doctor(["config/mine.yaml"])
    line = f"!! config/mine.yaml: expected a study, found {words}"
    assert line in capsys.readouterr().out.splitlines()
