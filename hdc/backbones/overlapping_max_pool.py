"""Max pooling over windows that overlap, with a gradient that can be the same every time.

CUDA's own gradient of it is a sum in any order, which torch refuses where a training is to be
deterministic. There, and only there, it is summed place by place of the window, in one order.
"""

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.utils import _triple


class OverlappingMaxPool3d(nn.MaxPool3d):
    """torch's own, which is faster, but for what it refuses."""

    def forward(
        self, x: Float[Tensor, "batch channel time height width"]
    ) -> Float[Tensor, "batch channel _ _ _"]:
        """The greatest number of each window; one that stands out past the padding is left out."""
        if x.device.type == "cpu" or not torch.are_deterministic_algorithms_enabled():
            return super().forward(x)
        sides = (_triple(side) for side in (self.kernel_size, self.stride, self.padding))
        return _OverlappingMax.apply(x, *sides)


class _OverlappingMax(torch.autograd.Function):
    """Which place of its window is the greatest, the first of several, is kept in a byte each."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        window: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[int, ...],
    ) -> Tensor:
        pooled, places = F.max_pool3d(x, window, stride, padding, return_indices=True)
        width, area = x.shape[-1], x.shape[-2] * x.shape[-1]
        inside = torch.zeros_like(places)
        at = (places // area, places % area // width, places % width)
        for axis, place in enumerate(at):
            shape = [-1 if axis == other else 1 for other in range(3)]
            starts = torch.arange(pooled.shape[axis + 2], device=x.device) * stride[axis]
            inside = inside * window[axis] + place - (starts - padding[axis]).view(shape)
        ctx.save_for_backward(inside.to(torch.uint8))
        ctx.sides, ctx.shape = (window, stride, padding), x.shape
        return pooled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        window, stride, padding = ctx.sides
        padded = [side + 2 * beside for side, beside in zip(ctx.shape[2:], padding, strict=True)]
        summed = gradient.new_zeros(*ctx.shape[:2], *padded)
        for number, offsets in enumerate(product(*(range(side) for side in window))):
            of_place = summed[
                :,
                :,
                *(
                    slice(first, first + (count - 1) * step + 1, step)
                    for first, count, step in zip(offsets, gradient.shape[2:], stride, strict=True)
                ),
            ]
            of_place += gradient * (inside == number)
        kept = (
            slice(beside, beside + side)
            for side, beside in zip(ctx.shape[2:], padding, strict=True)
        )
        return summed[:, :, *kept], None, None, None
