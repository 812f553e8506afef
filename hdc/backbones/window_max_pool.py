"""Max pooling over windows that do not overlap, with a gradient that is the same every time.

CUDA's own gradient of it is a sum in any order, which torch refuses where a training is to be
deterministic. Where no place is in two windows nothing is summed: it is the same numbers, put down.
"""

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class WindowMaxPool3d(nn.Module):
    """`nn.MaxPool3d` whose stride is its window, and which keeps windows that stand out."""

    def __init__(self, time: int, height: int, width: int) -> None:
        """The window's sides in places."""
        super().__init__()
        self.window = (time, height, width)

    def forward(
        self, x: Float[Tensor, "batch channel time height width"]
    ) -> Float[Tensor, "batch channel _ _ _"]:
        """The greatest number of each window, of the places inside where it stands out."""
        return _WindowMax.apply(x, self.window)

    def extra_repr(self) -> str:
        """The window, for people."""
        return f"window={self.window}"


class _WindowMax(torch.autograd.Function):
    """Which place of its window is the greatest, the first of several, is kept in a byte each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: tuple[int, int, int]) -> Tensor:
        pooled, places = F.max_pool3d(x, window, ceil_mode=True, return_indices=True)
        width, area = x.shape[-1], x.shape[-2] * x.shape[-1]
        time, row, column = places // area, places % area // width, places % width
        inside = (time % window[0] * window[1] + row % window[1]) * window[2] + column % window[2]
        ctx.save_for_backward(inside.to(torch.uint8))
        ctx.window, ctx.shape = window, x.shape
        return pooled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (inside,) = ctx.saved_tensors
        layout = torch.channels_last_3d if _is_channels_last(gradient) else torch.contiguous_format
        put = torch.empty(
            ctx.shape, dtype=gradient.dtype, device=gradient.device, memory_format=layout
        )
        offsets = product(*(range(side) for side in ctx.window))
        for number, (time, row, column) in enumerate(offsets):
            of_place = put[
                :, :, time :: ctx.window[0], row :: ctx.window[1], column :: ctx.window[2]
            ]
            _, _, times, rows, columns = of_place.shape
            here = (inside == number)[:, :, :times, :rows, :columns]
            of_place.copy_(gradient[:, :, :times, :rows, :columns] * here)
        return put, None


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last_3d) and not x.is_contiguous()
