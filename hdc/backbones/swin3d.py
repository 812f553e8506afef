"""torchvision's Video Swin Transformer as an encoder, at any width."""

from jaxtyping import Float
from torch import Tensor
from torchvision.models.video import SwinTransformer3d

from hdc.backbones.level import Level

LEAST_CLIP = (1, 1)  # frames, pixels: patches, windows and merges are filled up with zeros
STRIDES = {  # in time, in space
    "swin3d_t": {"stage1": (2, 4), "stage2": (2, 8), "stage3": (2, 16), "stage4": (2, 32)}
}
HEADS = (3, 6, 12, 24)  # of attention, by stage; their number is the same at every width
HEAD_CHANNELS = 32  # of every head, at width 1


class Swin3d(SwinTransformer3d):
    """torchvision's `SwinTransformer3d` without its classifier; each head's channels times a width.

    At width 1 it has torchvision's weights under torchvision's keys, but for `head`. The levels are
    what the stages put out, before patches are merged; the last one after the network's last norm.
    Clips of any size are taken: a window larger than the features is cut to them, as in
    torchvision's network.

    DEVIATION: no block is dropped at random in training. Such draws would differ between a run and
    its resumption, and between the two passes of a training in chunks.
    Source: Liu et al. 2022 (arXiv 2106.13230), Swin-T.
    """

    def __init__(
        self, *, depths: list[int], strides: dict[str, tuple[int, int]], width: float | int
    ) -> None:
        """`depths`: blocks of each stage. `strides`: of every level, in time and in space."""
        channels = HEADS[0] * max(1, round(HEAD_CHANNELS * width))
        super().__init__(
            patch_size=[2, 4, 4],
            embed_dim=channels,
            depths=depths,
            num_heads=list(HEADS),
            window_size=[8, 7, 7],
            stochastic_depth_prob=0.0,
        )
        del self.avgpool, self.head
        self.levels = {
            level: Level(channels * 2**stage, *strides[level])
            for stage, level in enumerate(strides)
        }

    def forward(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> dict[str, Float[Tensor, "batch _ _ _ _"]]:
        """Features of the four stages by name, each (batch, channel, time, height, width)."""
        x, outputs = self.patch_embed(clips), []
        for layer in self.features:  # stages and, between them, merges
            x = layer(x)
            outputs.append(x)
        stages = [*outputs[:-1:2], self.norm(outputs[-1])]
        return {
            level: stage.permute(0, 4, 1, 2, 3)
            for level, stage in zip(self.levels, stages, strict=True)
        }


def swin3d_t(*, width: float | int) -> Swin3d:
    """Video Swin-T at a width; 1 is the published number of channels."""
    return Swin3d(depths=[2, 2, 6, 2], strides=STRIDES["swin3d_t"], width=width)
