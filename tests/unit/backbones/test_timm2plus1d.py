import os
import subprocess
import sys

import pytest
import torch

from hdc.backbones.timm2plus1d import timm2plus1d
from hdc.runtime.errors import InputError


@pytest.mark.parametrize("model", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_levels_are_the_last_three_stages(model):
    encoder = timm2plus1d(model=model, pretrained=False, width=0.5).eval()
    with torch.no_grad():
        features = encoder(torch.zeros(2, 3, 16, 64, 64))
    for (name, table), level in zip(features.items(), encoder.levels.values(), strict=True):
        assert table.shape[1:] == (
            level.channels, 16 // level.time_stride, *2 * (64 // level.space_stride,)
        ), name  # fmt: skip
    assert [table.shape[2] for table in features.values()] == [8, 4, 2]


def test_time_is_mixed():
    torch.manual_seed(0)
    encoder = timm2plus1d(model="test_resnet", pretrained=False, width=1).eval()
    name, clips = next(iter(encoder.levels)), torch.randn(1, 3, 16, 32, 32)
    changed = clips.clone()
    changed[:, :, 5] += 1
    with torch.no_grad():
        first = encoder(clips)[name]
        second = encoder(changed)[name]
    moved = (first - second).abs().amax(dim=(0, 1, 3, 4)) > 0
    assert moved.sum() > 1


def test_an_unknown_model_is_refused():
    with pytest.raises(InputError, match=r"expected a model of timm, such as .*resnet"):
        timm2plus1d(model="resnet_nonsense", pretrained=False, width=1)


def test_a_model_without_stages_is_refused():
    with pytest.raises(InputError, match=r"backbone\.model: "):
        timm2plus1d(model="test_vit", pretrained=False, width=1)


def test_pretrained_weights_offline_are_one_clear_line():
    code = (
        "from hdc.backbones.timm2plus1d import timm2plus1d\n"
        "from hdc.runtime.errors import InputError\n"
        "try: timm2plus1d(model='resnet18', pretrained=True, width=1)\n"
        "except InputError as error: print(error)"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.stdout.startswith("backbone.pretrained: expected weights of resnet18"), done.stderr
    assert done.stdout.count("\n") == 1


def test_timm_is_imported_only_here(root):
    modules = "hdc.encoders.build, hdc.objectives.self_supervised"
    code = f"import {modules}, sys; sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


CHOICES = ("scale=smoke", "data=synthetic_smoke", "backbone=timm2plus1d", "ablation=hdc", "seed=0")


def test_refusals_reach_the_user_as_they_are(call, root, tiny, tmp_path):
    done = call(
        "hdc.pretrain", *CHOICES, f"prepared={tiny}", "split=1", f"output_dir={tmp_path}",
        "backbone.model=no_such_model", "pretrain.batch_size=4", cwd=root,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "error: backbone.model: expected a model of timm"
    )
    assert "Traceback" not in done.stderr


def test_pretrains_as_the_others_do(call, root, tiny, tmp_path):
    call(
        "hdc.pretrain", *CHOICES, f"prepared={tiny}", "split=1", f"output_dir={tmp_path}",
        "backbone.model=test_resnet", "pretrain.batch_size=4", "pretrain.epochs=1",
        "clip.pixels=32", cwd=root, check=True,
    )  # fmt: skip
    assert (tmp_path / "encoder.safetensors").is_file()
