"""torchvision's S3D as an encoder: separable 3D convolutions in inception blocks, at any width."""

from functools import partial

import torch.nn as nn
from jaxtyping import Float
from torch import Tensor
from torchvision.models.video import S3D as TorchvisionS3D  # noqa: N811
from torchvision.models.video.s3d import SepInceptionBlock3D

from hdc.backbones.level import Level
from hdc.backbones.overlapping_max_pool import OverlappingMaxPool3d
from hdc.backbones.window_max_pool import WindowMaxPool3d

LEAST_CLIP = (1, 1)  # frames, pixels: paddings and pools leave a place of each
STRIDES = {"s3d": {"mixed3c": (2, 8), "mixed4f": (4, 16), "mixed5c": (8, 32)}}  # in time, in space
# Level -> its place in torchvision's `features`: the last block before each pool, and the last one.
PLACES = {"mixed3c": 6, "mixed4f": 12, "mixed5c": 15}


class S3D(TorchvisionS3D):
    """torchvision's `S3D` without its classifier, with every channel count times a width.

    At width 1 it has torchvision's weights under torchvision's keys, but for `classifier`. The
    levels are named after the inception blocks that end the stages.

    DEVIATION: torchvision's last pool leaves out places that do not fill its window; ours keeps
    them. Where time is a multiple of 8 and height and width are of 32 there are none.
    DEVIATION: a batch norm's running statistics take a tenth of every batch, as in the other
    families; torchvision's take a thousandth, of which a training of few steps makes nothing.
    Source: Xie et al. 2018 (arXiv 1712.04851), S3D.
    """

    def __init__(self, *, width: float | int) -> None:
        super().__init__(norm_layer=partial(nn.BatchNorm3d, eps=0.001))
        del self.avgpool, self.classifier
        channels, puts_out = 3, []
        for name, layer in self.features.named_children():
            scaled, channels = _at_width(layer, channels, width)
            setattr(self.features, name, scaled)
            puts_out.append(channels)
        self.levels = {
            level: Level(puts_out[place], *STRIDES["s3d"][level]) for level, place in PLACES.items()
        }

    def forward(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> dict[str, Float[Tensor, "batch _ _ _ _"]]:
        """Features of the three stages by name, each (batch, channel, time, height, width)."""
        x, outputs = clips, []
        for layer in self.features:
            x = layer(x)
            outputs.append(x)
        return {level: outputs[place] for level, place in PLACES.items()}


def _at_width(layer: nn.Module, channels: int, width: float | int) -> tuple[nn.Module, int]:
    """A layer that takes `channels` and puts out the published number times `width`; that number.

    What has layers inside is changed in place.
    """
    if isinstance(layer, nn.Conv3d):
        scaled = max(1, round(layer.out_channels * width))
        sides = layer.kernel_size, layer.stride, layer.padding
        return nn.Conv3d(channels, scaled, *sides, bias=layer.bias is not None), scaled
    if isinstance(layer, nn.BatchNorm3d):
        return nn.BatchNorm3d(channels, eps=layer.eps), channels
    if isinstance(layer, nn.MaxPool3d):
        return _pool(layer), channels
    puts_out = [channels]
    branches = isinstance(layer, SepInceptionBlock3D)  # all see its input, and are concatenated
    for name, part in layer.named_children():
        scaled, count = _at_width(part, channels if branches else puts_out[-1], width)
        setattr(layer, name, scaled)
        puts_out.append(count)
    return layer, sum(puts_out[1:]) if branches else puts_out[-1]


def _pool(pool: nn.MaxPool3d) -> nn.Module:
    """The same pool, with a gradient that can be the same every time."""
    if pool.kernel_size == pool.stride:
        return WindowMaxPool3d(*pool.kernel_size)
    return OverlappingMaxPool3d(pool.kernel_size, pool.stride, pool.padding)


def s3d(*, width: float | int) -> S3D:
    """S3D at a width; 1 is the published number of channels."""
    return S3D(width=width)
