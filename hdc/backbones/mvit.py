"""torchvision's Multiscale Vision Transformer as an encoder, at any width."""

from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate
from typing import Any

import torch
import torch.nn as nn
from jaxtyping import Float
from torch import Tensor
from torchvision.models.video import MViT as TorchvisionMViT
from torchvision.models.video.mvit import MSBlockConfig

from hdc.backbones.level import Level
from hdc.backbones.overlapping_max_pool import OverlappingMaxPool3d
from hdc.runtime.errors import InputError

LEAST_CLIP = (1, 1)  # frames, pixels: paddings leave a place of each
STRIDES = {  # in time, in space
    "mvit_v2_s": {"stage1": (2, 4), "stage2": (2, 8), "stage3": (2, 16), "stage4": (2, 32)}
}
PATCH_STRIDES = (2, 4)  # of the first convolution, in time and in space
# By stage, as published: blocks, heads of attention at any width, and how many times fewer places
# than the stage's first block has its keys and values have, along each side.
STAGES = ((1, 1, 8), (2, 2, 4), (11, 4, 2), (2, 8, 1))
HEAD_CHANNELS = 96  # of every head, at width 1


class MViT(TorchvisionMViT):
    """torchvision's `MViT` without its classifier, with every head's channels times a width.

    At width 1 it has torchvision's weights under torchvision's keys, but for `head`. The levels are
    what the last block of each stage puts out, without the class token; the last one after the
    network's last norm.

    Its tables of relative positions are made for clips of one size. Clips of any other size are
    taken, too: torchvision's network interpolates the tables, and so does ours.

    DEVIATION: no block is dropped at random in training. Such draws would differ between a run and
    its resumption, and between the two passes of a training in chunks.
    Source: Li et al. 2022 (arXiv 2112.01526), MViTv2-S.
    """

    def __init__(
        self,
        *,
        frames: int,
        pixels: int,
        width: float | int,
        strides: dict[str, tuple[int, int]],
    ) -> None:
        """`frames`, `pixels`: of the clips that the tables of positions are made for.

        `strides`: of every level, in time and in space. Raises InputError for less than one frame
        or pixel, or a part of one.
        """
        for unit, size in (("frames", frames), ("pixels", pixels)):
            if size < 1 or size != int(size):
                raise InputError(f"backbone.{unit}: expected a whole number above 0, got {size}")
        head = max(2, round(HEAD_CHANNELS * width))  # of one channel a norm would leave nothing
        blocks = _blocks(head)
        super().__init__(
            spatial_size=(224, 224),  # of tables, which are made anew
            temporal_size=16,
            block_setting=blocks,
            residual_pool=True,
            residual_with_cls_embed=False,
            rel_pos_embed=True,
            proj_after_attn=True,
            stochastic_depth_prob=0.0,
        )
        del self.head
        self.made_for = (int(frames), int(pixels), int(pixels))
        self._make_tables(blocks, head)
        for block in self.blocks:
            if block.pool_skip is not None:
                pool = block.pool_skip.pool
                sides = pool.kernel_size, pool.stride, pool.padding
                block.pool_skip.pool = OverlappingMaxPool3d(*sides)
        self.levels = {
            level: Level(heads * head, *strides[level])
            for level, (_, heads, _) in zip(strides, STAGES, strict=True)
        }

    def _make_tables(self, blocks: list[MSBlockConfig], head: int) -> None:
        """Tables for exactly the places that a clip leaves, the last of which it may not fill.

        torchvision's own leave those out, and would be interpolated for the clips they are made
        for. Where height and width are multiples of 32 and frames of 2, both are the same.
        """
        times, places = (
            _places(size, stride)
            for size, stride in zip(self.made_for[:2], PATCH_STRIDES, strict=True)
        )
        for block, settings in zip(self.blocks, blocks, strict=True):
            queries, keys = (
                _places(places, strides[1]) for strides in (settings.stride_q, settings.stride_kv)
            )
            side = max(queries, keys)
            for axis, length in (("h", side), ("w", side), ("t", times)):
                table = nn.init.trunc_normal_(torch.empty(2 * length - 1, head), std=0.02)
                setattr(block.attn, f"rel_pos_{axis}", nn.Parameter(table))
            places = queries

    def forward(
        self, clips: Float[Tensor, "batch channels time height width"]
    ) -> dict[str, Float[Tensor, "batch _ _ _ _"]]:
        """Features of the four stages by name, each (batch, channel, time, height, width).

        Raises InputError where tables would have to be interpolated and torch cannot do so.
        """
        self._require_deterministic(clips)
        x = self.conv_proj(clips)
        size = tuple(x.shape[2:])
        x = self.pos_encoding(x.flatten(2).transpose(1, 2))  # the class token comes first
        ends, stages = {*accumulate(count for count, _, _ in STAGES)}, []
        with _counting_on(clips.device):
            for number, block in enumerate(self.blocks, start=1):
                x, size = block(x, size)
                if number in ends:
                    tokens = self.norm(x) if number == len(self.blocks) else x
                    stages.append(tokens[:, 1:].transpose(1, 2).unflatten(2, size))
        return dict(zip(self.levels, stages, strict=True))

    def _require_deterministic(self, clips: Tensor) -> None:
        """Refuse to interpolate where gradients are to be the same every time.

        CUDA's own gradient of it is a sum in any order.
        """
        if (
            clips.device.type == "cuda"
            and torch.are_deterministic_algorithms_enabled()
            and clips.shape[2:] != self.made_for
        ):
            frames, pixels = clips.shape[2], clips.shape[3]
            raise InputError(
                f"deterministic: expected clips of the size that the backbone is made for, "
                f"{self.made_for[0]} frames of {self.made_for[1]} pixels, got {frames} of {pixels};"
                f" set backbone.frames: {frames}, backbone.pixels: {pixels}"
            )


def _counting_on(device: torch.device) -> AbstractContextManager[Any]:
    """Where blocks count places: on a GPU itself, else each copies the counts there and waits.

    What is compiled has them put there, and knows no such context.
    """
    return nullcontext() if torch.compiler.is_compiling() else device


def _places(size: int, stride: int) -> int:
    """How many places a stride leaves; what is left over makes one more."""
    return -(-size // stride)


def _blocks(head: int) -> list[MSBlockConfig]:
    """Every block's settings, of heads with so many channels.

    The first block of a stage, but for the first stage, halves height and width.
    """
    blocks, channels = [], head
    for stage, (count, heads, key_stride) in enumerate(STAGES):
        for number in range(count):
            halves = 2 if stage > 0 and number == 0 else 1
            blocks.append(
                MSBlockConfig(
                    num_heads=heads,
                    input_channels=channels,
                    output_channels=heads * head,
                    kernel_q=[3, 3, 3],
                    kernel_kv=[3, 3, 3],
                    stride_q=[1, halves, halves],
                    stride_kv=[1, key_stride, key_stride],
                )
            )
            channels = heads * head
    return blocks


def mvit_v2_s(*, frames: int, pixels: int, width: float | int) -> MViT:
    """MViTv2-S at a width, made for clips of `frames` frames of `pixels` x `pixels`; see `MViT`."""
    return MViT(frames=frames, pixels=pixels, width=width, strides=STRIDES["mvit_v2_s"])
