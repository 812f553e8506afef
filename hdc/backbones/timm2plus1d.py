"""Any 2D network of timm, made a video network by temporal convolutions between its stages."""

from functools import partial
from typing import Any

import torch.nn as nn
from jaxtyping import Float
from torch import Tensor

from hdc.backbones.level import Level
from hdc.runtime.errors import InputError

LEVELS = 3  # the last stages, as in the other families


class Timm2Plus1D(nn.Module):
    """timm's stages on every frame, a convolution over time after each of them.

    Time is halved after each of the last three stages, which are the levels, so that they are as
    long as those of the other families.
    """

    def __init__(self, *, model: str, pretrained: bool, width: float | int) -> None:
        """`width`: inner channels of the temporal convolutions as a share of their stage's.

        The 2D part keeps timm's sizes. Raises InputError for a model that timm does not have in
        stages, or pretrained weights that cannot be fetched.
        """
        super().__init__()
        self.frames = timm_stages(model, pretrained)
        stages, modules = self.frames.feature_info, _stage_ends(self.frames, model)
        channels, space_strides = stages.channels(), stages.reduction()
        first_level = len(channels) - LEVELS
        self.times = nn.ModuleList(
            TemporalConvolution(count, width, stride=2 if stage >= first_level else 1)
            for stage, count in enumerate(channels)
        )
        for module, time in zip(modules, self.times, strict=True):
            module.register_forward_hook(partial(self._over_time, time))
        self.levels = {
            f"stage{stage + 1}": Level(
                channels[stage], 2 ** (stage - first_level + 1), space_strides[stage]
            )
            for stage in range(first_level, len(channels))
        }
        self.videos = 0  # in the batch at hand; the 2D part sees frames only

    def _over_time(self, time: nn.Module, _: nn.Module, __: Any, x: Tensor) -> Tensor:
        """What a stage puts out, (video * time, channel, height, width), mixed over time."""
        x = x.unflatten(0, (self.videos, -1)).transpose(1, 2)
        return time(x).transpose(1, 2).flatten(0, 1)

    def forward(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> dict[str, Float[Tensor, "batch _ _ _ _"]]:
        """Features of the last three stages, each (batch, channel, time, height, width)."""
        self.videos = len(clips)
        stages = self.frames(clips.transpose(1, 2).flatten(0, 1))[-LEVELS:]
        return {
            level: x.unflatten(0, (self.videos, -1)).transpose(1, 2)
            for level, x in zip(self.levels, stages, strict=True)
        }


class TemporalConvolution(nn.Module):
    """Over three frames, through a bottleneck; added to its input, thinned to the stride."""

    def __init__(self, channels: int, width: float | int, *, stride: int) -> None:
        super().__init__()
        inner = max(1, round(channels * width))
        self.stride = stride
        self.layers = nn.Sequential(
            nn.Conv3d(channels, inner, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
            nn.BatchNorm3d(inner),
            nn.ReLU(inplace=True),
            nn.Conv3d(inner, channels, 1, bias=False),
            nn.BatchNorm3d(channels),
        )

    def forward(
        self, x: Float[Tensor, "batch channel _ height width"]
    ) -> Float[Tensor, "batch channel _ height width"]:
        """The same channels, height and width; time divided by the stride, rounded up."""
        return x[:, :, :: self.stride] + self.layers(x)


def timm_stages(model: str, pretrained: bool) -> Any:
    """timm's network as a list of modules, of which some end a stage."""
    import timm

    if not timm.is_model(model):
        near = ", ".join(timm.list_models(f"*{model.split('_')[0]}*")[:5]) or "timm.list_models()"
        raise InputError(f"backbone.model: expected a model of timm, such as {near}, got {model}")
    try:
        network = timm.create_model(model, pretrained=pretrained, features_only=True)
    except RuntimeError as error:  # a model without stages
        raise InputError(f"backbone.model: {model}: {' '.join(str(error).split())}") from error
    except Exception as error:
        if not pretrained:
            raise
        raise InputError(
            f"backbone.pretrained: expected weights of {model} from its hub, found none "
            f"({type(error).__name__}); set it to false, or fetch them where there is a network"
        ) from error
    if len(network.feature_info.channels()) < LEVELS:
        raise _not_in_stages(model)
    return network


def _stage_ends(network: Any, model: str) -> list[nn.Module]:
    """The module that ends each stage, shallow to deep."""
    names = getattr(network, "return_layers", None) or network.feature_info.module_name()
    try:
        return [network.get_submodule(name) for name in names]
    except AttributeError as error:  # a transformer, whose features are no stages' outputs
        raise _not_in_stages(model) from error


def _not_in_stages(model: str) -> InputError:
    return InputError(
        f"backbone.model: expected a convolutional model of {LEVELS} or more stages, such as "
        f"resnet18 or convnext_tiny, got {model}"
    )


def timm2plus1d(*, model: str, pretrained: bool, width: float | int) -> Timm2Plus1D:
    """A model of timm as a video network; see `Timm2Plus1D`."""
    return Timm2Plus1D(model=model, pretrained=pretrained, width=width)
