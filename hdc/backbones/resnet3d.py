"""torchvision's video residual networks as encoders, at any width."""

from collections.abc import Callable, Mapping

import torch.nn as nn
from jaxtyping import Float
from torch import Tensor
from torchvision.models.video.resnet import (
    BasicBlock,
    BasicStem,
    Conv2Plus1D,
    Conv3DNoTemporal,
    Conv3DSimple,
    R2Plus1dStem,
    VideoResNet,
)

from hdc.backbones.level import Level

LEAST_CLIP = (1, 1)  # frames, pixels: paddings and pools leave a place of each
STRIDES = {  # in time, in space
    "r3d18": {"layer2": (2, 4), "layer3": (4, 8), "layer4": (8, 16)},
    "r2plus1d10": {"layer2": (2, 4), "layer3": (4, 8), "layer4": (8, 16)},
    "r2plus1d18": {"layer2": (2, 4), "layer3": (4, 8), "layer4": (8, 16)},
    "mc318": {"layer2": (1, 4), "layer3": (1, 8), "layer4": (1, 16)},
}
PUBLISHED_CHANNELS = 64  # of the stem and the first stage, at width 1


class ResNet3d(VideoResNet):
    """torchvision's `VideoResNet` without its classifier, with every channel count times a width.

    At width 1 it has torchvision's weights under torchvision's keys, but for `fc`.
    """

    def __init__(
        self,
        block: type[nn.Module],
        convolutions: list[type[nn.Module]],
        blocks: list[int],
        stem: Callable[[], nn.Sequential],
        *,
        width: float | int,
        strides: Mapping[str, tuple[int, int]],
    ) -> None:
        """`strides`: of every level, in time and in space."""
        self.width = width  # before the base class builds its stages, which ask for it
        super().__init__(block, convolutions, blocks, lambda: _scaled_stem(stem(), width))
        del self.fc, self.avgpool
        self.levels = {
            f"layer{stage}": Level(self._scaled(32 * 2**stage), *strides[f"layer{stage}"])
            for stage in (2, 3, 4)
        }

    def _scaled(self, channels: int) -> int:
        return max(1, round(channels * self.width))

    def _make_layer(
        self, block: type, conv_builder: type, planes: int, blocks: int, stride: int = 1
    ) -> nn.Sequential:
        """One stage; the base class asks for the published number of `planes`."""
        if planes == PUBLISHED_CHANNELS:
            self.inplanes = self._scaled(planes)  # what the scaled stem puts out
        return super()._make_layer(block, conv_builder, self._scaled(planes), blocks, stride)

    def forward(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> dict[str, Float[Tensor, "batch _ _ _ _"]]:
        """Features of the last three stages by name, each (batch, channel, time, height, width)."""
        features = {}
        x = self.layer1(self.stem(clips))
        for name in self.levels:
            x = getattr(self, name)(x)
            features[name] = x
        return features


def _scaled_stem(stem: nn.Sequential, width: float | int) -> nn.Sequential:
    """The same stem with its output channels times `width`; inner channels stay."""
    channels = max(1, round(PUBLISHED_CHANNELS * width))
    convolution = stem[-3]
    if channels == convolution.out_channels:
        return stem
    stem[-3] = nn.Conv3d(
        convolution.in_channels,
        channels,
        convolution.kernel_size,
        convolution.stride,
        convolution.padding,
        bias=False,
    )
    stem[-2] = nn.BatchNorm3d(channels)
    return stem


def _network(
    name: str,
    convolutions: list[type[nn.Module]],
    blocks: int,
    stem: Callable[[], nn.Sequential],
    width: float | int,
) -> ResNet3d:
    """A network of four stages with so many basic blocks each; `name` is its entry in STRIDES."""
    return ResNet3d(
        BasicBlock, convolutions, [blocks] * 4, stem, width=width, strides=STRIDES[name]
    )


def r3d18(*, width: float | int) -> ResNet3d:
    """3D-ResNet18: plain 3D convolutions, two basic blocks a stage.

    Source: Tran et al. 2018 (arXiv 1711.11248), R3D-18, as torchvision's `r3d_18`.
    """
    return _network("r3d18", [Conv3DSimple] * 4, 2, BasicStem, width)


def r2plus1d10(*, width: float | int) -> ResNet3d:
    """R(2+1)D-10: each 3D convolution as one over space and one over time, one block a stage.

    Source: Tran et al. 2018 (arXiv 1711.11248), R(2+1)D, as torchvision's `VideoResNet` builds it.
    """
    return _network("r2plus1d10", [Conv2Plus1D] * 4, 1, R2Plus1dStem, width)


def r2plus1d18(*, width: float | int) -> ResNet3d:
    """R(2+1)D-18: as `r2plus1d10`, two blocks a stage.

    Source: Tran et al. 2018 (arXiv 1711.11248), R(2+1)D-18, as torchvision's `r2plus1d_18`.
    """
    return _network("r2plus1d18", [Conv2Plus1D] * 4, 2, R2Plus1dStem, width)


def mc318(*, width: float | int) -> ResNet3d:
    """MC3-18: 3D convolutions in the first stage, 2D ones in the others, which keep all time steps.

    Source: Tran et al. 2018 (arXiv 1711.11248), MC3, as torchvision's `mc3_18`.
    """
    convolutions = [Conv3DSimple, *[Conv3DNoTemporal] * 3]
    return _network("mc318", convolutions, 2, BasicStem, width)
