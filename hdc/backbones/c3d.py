"""C3D as an encoder: eight plain 3D convolutions, with batch norm, at any width."""

import torch.nn as nn
from jaxtyping import Float
from torch import Tensor

from hdc.backbones.level import Level
from hdc.backbones.window_max_pool import WindowMaxPool3d

# Stage -> channels of its convolutions, as published; each stage ends in a pool.
STAGES = {
    "conv1": (64,),
    "conv2": (128,),
    "conv3": (256, 256),
    "conv4": (512, 512),
    "conv5": (512, 512),
}
LEAST_CLIP = (1, 1)  # frames, pixels: paddings and pools leave a place of each
LEVELS = {"conv3b": "conv3", "conv4b": "conv4", "conv5b": "conv5"}  # tapped before the pool
STRIDES = {"c3d": {"conv3b": (2, 4), "conv4b": (4, 8), "conv5b": (8, 16)}}  # in time, in space


class C3D(nn.Module):
    """Convolutions of 3 x 3 x 3, each with batch norm; levels are taken before the next pool.

    DEVIATION: the published network has no batch norm and two fully connected layers on top;
    contrastive work uses it with batch norm and without those layers.
    Source: Tran et al. 2015 (arXiv 1412.0767), figure 3.
    """

    def __init__(self, *, width: float | int) -> None:
        super().__init__()
        channels = 3
        for name, published in STAGES.items():
            layers: list[nn.Module] = []
            for count in published:
                scaled = max(1, round(count * width))
                layers += _convolution(channels, scaled)
                channels = scaled
            self.add_module(name, nn.Sequential(*layers))
        # The first pool leaves time alone, to keep it from being merged too early (section 3.1).
        self.pool1 = WindowMaxPool3d(1, 2, 2)
        self.pool = WindowMaxPool3d(2, 2, 2)
        self.levels = {
            level: Level(max(1, round(STAGES[stage][-1] * width)), *STRIDES["c3d"][level])
            for level, stage in LEVELS.items()
        }
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> dict[str, Float[Tensor, "batch _ _ _ _"]]:
        """Features of conv3b, conv4b and conv5b, each (batch, channel, time, height, width)."""
        x = self.pool(self.conv2(self.pool1(self.conv1(clips))))
        features = {}
        for level, stage in LEVELS.items():
            features[level] = getattr(self, stage)(x)
            x = self.pool(features[level])
        return features


def _convolution(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv3d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm3d(channels_out),
        nn.ReLU(inplace=True),
    ]


def c3d(*, width: float | int) -> C3D:
    """C3D at a width; 1 is the published number of channels."""
    return C3D(width=width)
