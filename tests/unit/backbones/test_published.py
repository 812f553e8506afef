"""The published networks at full width: shapes of the levels, numbers of weights, odd sizes."""

import pytest
import torch

from hdc.backbones import mvit
from hdc.backbones.c3d import c3d
from hdc.backbones.resnet3d import mc318, r2plus1d10, r2plus1d18, r3d18
from hdc.backbones.s3d import s3d
from hdc.backbones.swin3d import swin3d_t


def mvit_v2_s(width):
    return mvit.mvit_v2_s(frames=16, pixels=224, width=width)


RESNET_LEVELS = {
    "layer2": (128, 8, 28, 28), "layer3": (256, 4, 14, 14), "layer4": (512, 2, 7, 7),
}  # fmt: skip
TRANSFORMER_LEVELS = {
    "stage1": (96, 8, 28, 28), "stage2": (192, 8, 14, 14), "stage3": (384, 8, 7, 7),
    "stage4": (768, 8, 4, 4),
}  # fmt: skip
PUBLISHED = {
    c3d: (
        {"conv3b": (256, 8, 28, 28), "conv4b": (512, 4, 14, 14), "conv5b": (512, 2, 7, 7)},
        27_658_688,
    ),
    r3d18: (RESNET_LEVELS, 33_166_272),
    r2plus1d10: (RESNET_LEVELS, 12_487_005),
    r2plus1d18: (RESNET_LEVELS, 31_300_125),
    mc318: (
        {"layer2": (128, 16, 28, 28), "layer3": (256, 16, 14, 14), "layer4": (512, 16, 7, 7)},
        11_490_240,
    ),
    s3d: (
        {"mixed3c": (480, 8, 14, 14), "mixed4f": (832, 4, 7, 7), "mixed5c": (1024, 2, 4, 4)},
        7_910_048,
    ),
    swin3d_t: (TRANSFORMER_LEVELS, 27_850_470),
    mvit_v2_s: (TRANSFORMER_LEVELS, 34_230_144),
}
KEPT_TIME = {mc318: [1] * 3, swin3d_t: [2] * 4, mvit_v2_s: [2] * 4}  # else halved at each level
by_name = pytest.mark.parametrize("build", PUBLISHED, ids=lambda build: build.__name__)


@by_name
def test_levels_and_weights(build):
    levels, weights = PUBLISHED[build]
    encoder = build(width=1).eval()
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, 16, 112, 112))
    assert {name: tuple(table.shape[1:]) for name, table in features.items()} == levels
    assert {name: level.channels for name, level in encoder.levels.items()} == {
        name: shape[0] for name, shape in levels.items()
    }
    assert sum(weight.numel() for weight in encoder.parameters()) == weights


def test_c3ds_convolutions_hold_27_7_million_weights():
    kernels = [3 * 64, 64 * 128, 128 * 256, 256 * 256, 256 * 512, 512 * 512, 512 * 512, 512 * 512]
    encoder = c3d(width=1)
    found = sum(x.weight.numel() for x in encoder.modules() if isinstance(x, torch.nn.Conv3d))
    assert found == 27 * sum(kernels) == 27_653_184


@by_name
@pytest.mark.parametrize("width", [0.0625, 0.3])
@pytest.mark.parametrize(("frames", "pixels"), [(7, 32), (8, 32), (16, 16), (16, 33)])
def test_odd_sizes_work_at_any_width(build, width, frames, pixels):
    encoder = build(width=width).eval()
    with torch.no_grad():
        features = encoder(torch.zeros(2, 3, frames, pixels, pixels))
    assert {name: level.channels for name, level in encoder.levels.items()} == {
        name: table.shape[1] for name, table in features.items()
    }
    halved = [-(-frames // part) for part in KEPT_TIME.get(build, (2, 4, 8))]
    assert [table.shape[2] for table in features.values()] == halved
