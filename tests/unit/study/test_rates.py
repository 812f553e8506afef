"""How fast networks train, by records or by counting."""

import json

import pytest

from hdc.settings.compose import compose_run, plain
from hdc.study.rates import (
    NETWORKS,
    UNKNOWN,
    key_of,
    multiply_adds,
    network,
    parameters,
    read_rates,
)

BACKBONES = (
    "r3d18", "c3d", "r2plus1d10", "r2plus1d18", "mc318", "s3d", "swin3d_t", "mvit_v2_s",
    "timm2plus1d",
)  # fmt: skip


def settings(backbone="r3d18", scale="paper"):
    return compose_run("hdc", backbone=backbone, data="synthetic", scale=scale)


def record(folder, *, clips, device, run="hdc", seed=0):
    """A finished pretraining of the demo's network."""
    path = folder / f"mine/runs/r3d18/{run}/seed{seed}/synthetic-split1/pretrain.json"
    path.parent.mkdir(parents=True)
    demo = settings(scale="demo")
    content = {
        "metrics": {"clips_per_second": clips},
        "settings": {"backbone": plain(demo.backbone), "clip": plain(demo.clip)},
        "device": device,
    }
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_table_is_what_the_networks_count(backbone):
    import torch

    from hdc.encoders import build

    run = settings(backbone)
    with torch.device("meta"):  # shapes alone
        encoder = build.build_encoder(plain(run.backbone), seed=0)
    counted = build.multiply_adds(encoder, (16, 112, 112))
    assert counted == pytest.approx(multiply_adds(run), rel=1e-3)
    weights = sum(parameter.numel() for parameter in encoder.parameters())
    assert weights == pytest.approx(parameters(run), rel=1e-3)


def test_the_table_has_every_backbone():
    assert {network(settings(backbone)) for backbone in BACKBONES} == set(NETWORKS.values())


def test_a_network_of_ones_own_is_as_the_largest():
    run = settings().copy()
    run.backbone = {"_target_": "mine.network"}
    assert network(run) == UNKNOWN and multiply_adds(run) == UNKNOWN[0] * 1e9


def test_narrower_networks_and_smaller_clips_are_about_as_much_less():
    """Within a third of what the records of the demo say: 37.7 million, of 40.7 billion."""
    assert multiply_adds(settings(scale="demo")) == pytest.approx(37_672_960, rel=1 / 3)


def test_without_a_record_the_rate_is_assumed(tmp_path):
    assert read_rates(tmp_path, on_gpu=True).training(settings()).clips == pytest.approx(600)
    assert not read_rates(tmp_path, on_gpu=True).training(settings()).measured


def test_records_of_the_same_device_tell_the_rate_of_one_gpu_or_thread(tmp_path):
    cpu = "cpu (Intel(R) Xeon(R) Processor), 2 thread(s)"
    for seed, clips in enumerate((400.0, 500.0, 900.0)):
        record(tmp_path, clips=clips, device=cpu, seed=seed)
    record(tmp_path, clips=6000.0, device="2 x NVIDIA H200", run="coupled")
    record(tmp_path, clips=None, device=cpu, run="random_init")
    demo = settings(scale="demo")
    for on_gpu, clips in ((False, 250.0), (True, 3000.0)):
        rate = read_rates(tmp_path, on_gpu=on_gpu).training(demo)
        assert (rate.clips, rate.measured) == (clips, True)
    assert not read_rates(tmp_path, on_gpu=False).training(settings()).measured  # other clips


def test_a_damaged_record_is_passed_over(tmp_path):
    record(tmp_path, clips=100.0, device="NVIDIA H200")
    [path] = tmp_path.rglob("pretrain.json")
    path.write_text(path.read_text()[:40])
    assert read_rates(tmp_path, on_gpu=True).measured == {}


def test_what_has_to_be_alike_is_the_network_and_the_clip():
    demo, paper = settings(scale="demo"), settings()
    assert key_of(demo.backbone, demo.clip) != key_of(paper.backbone, paper.clip)
