"""Gradients into an encoder whose lengths follow the weights of its levels alone.

At one learning rate the last level has all of the gradient where it is the only one, and a part of
it where there are more, and how long each level's gradient is depends on its losses. So hierarchy
and weights are partly a matter of how fast each level learns. This takes that apart.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed
from jaxtyping import Float
from torch import Tensor

Levels = Mapping[str, Float[Tensor, "clip _ _ _ _"]]


def equal_gradients(levels: Levels, shares: Mapping[str, Float[Tensor, ""]]) -> dict[str, Tensor]:
    """The same features; on the way back each level's gradient is as long as its share of them.

    With n_k the norm of level k's gradient and w_k its share (all shares sum to 1), what goes into
    the encoder there is w_k * sum(n) / n_k times as long: the lengths still sum to sum(n), as they
    did, but are divided by the shares. Norms are over the whole batch, on all processes.
    """
    weights = torch.stack([shares[name] for name in shares])
    features = _EqualGradients.apply(weights, *(levels[name] for name in shares))
    return dict(zip(shares, features, strict=True))


class _EqualGradients(torch.autograd.Function):
    """All levels at once, so that their gradients are there together."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, *levels: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(weights)
        return tuple(level.view_as(level) for level in levels)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        [weights] = ctx.saved_tensors
        squares = torch.stack([gradient.float().square().sum() for gradient in gradients])
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(squares)
        norms = squares.sqrt()
        factors = weights * norms.sum() / norms.clamp(min=1e-12)
        scaled = [
            gradient * factor.to(gradient.dtype)
            for gradient, factor in zip(gradients, factors, strict=True)
        ]
        return None, *scaled
