"""Any 2D network of timm on every frame by itself: what single frames tell, without motion."""

from typing import Any

import torch.nn as nn
from jaxtyping import Float
from torch import Tensor

from hdc.backbones.level import Level
from hdc.backbones.timm2plus1d import LEVELS, timm_stages


class ImageNetwork(nn.Module):
    """timm's stages, of which the last three are the levels; time is as long as the clip.

    No number of a map depends on more than one frame. So the mean of a level over time knows
    neither order nor motion, and a video is told by an average over its frames.
    """

    def __init__(self, *, model: str, pretrained: bool) -> None:
        """Raises InputError for a model that timm does not have in three or more stages."""
        super().__init__()
        self.frames: Any = timm_stages(model, pretrained)
        stages = self.frames.feature_info
        self.channels_last = str(getattr(self.frames, "output_fmt", "")).endswith("NHWC")
        channels, strides = stages.channels()[-LEVELS:], stages.reduction()[-LEVELS:]
        first = len(stages.channels()) - LEVELS + 1
        self.levels = {
            f"stage{first + place}": Level(channels[place], 1, strides[place])
            for place in range(LEVELS)
        }

    def forward(
        self, clips: Float[Tensor, "batch 3 time height width"]
    ) -> dict[str, Float[Tensor, "batch _ time _ _"]]:
        """Features of the last three stages, each (batch, channel, time, height, width)."""
        stages = self.frames(clips.transpose(1, 2).flatten(0, 1))[-LEVELS:]
        if self.channels_last:
            stages = [x.permute(0, 3, 1, 2) for x in stages]
        return {
            level: x.unflatten(0, (len(clips), -1)).transpose(1, 2)
            for level, x in zip(self.levels, stages, strict=True)
        }


def image_network(*, model: str, pretrained: bool) -> ImageNetwork:
    """A model of timm that sees single frames; see `ImageNetwork`."""
    return ImageNetwork(model=model, pretrained=pretrained)
