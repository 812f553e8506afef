"""The two subtasks as functions of embeddings: what is a pair, and what it is told from."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from hdc.losses.nt_xent import nt_xent


def spatial_contrast(
    first: Float[Tensor, "video time dim"],
    second: Float[Tensor, "video time dim"],
    *,
    temperature: float | int,
) -> Float[Tensor, ""]:
    """NT-Xent between two views of one clip at each time step; mean over steps, in nats.

    The negatives at a step are the other videos at the same step, in both views.
    Raises ValueError as `nt_xent` does.
    """
    _require_steps(first, second)
    return nt_xent(first.transpose(0, 1), second.transpose(0, 1), temperature=temperature)


def spatial_any_time(
    first: Float[Tensor, "video time dim"],
    second: Float[Tensor, "video time dim"],
    shifts: Int[Tensor, " video"],
    *,
    temperature: float | int,
) -> Float[Tensor, ""]:
    """As `spatial_contrast`, but the other view is taken `shifts` steps later, in a circle."""
    _require_steps(first, second)
    steps = torch.arange(first.shape[1], device=first.device)
    later = (steps + shifts.view(-1, 1)) % first.shape[1]  # (video, time)
    second = second.gather(1, later.unsqueeze(-1).expand_as(second))
    return spatial_contrast(first, second, temperature=temperature)


def spatial_whole_clip(
    first: Float[Tensor, "video time dim"],
    second: Float[Tensor, "video time dim"],
    *,
    temperature: float | int,
) -> Float[Tensor, ""]:
    """One NT-Xent between two views of one clip, on the mean over time of the cosines, in nats."""
    _require_steps(first, second)
    # Unit steps laid end to end: the cosine of two such rows is the mean of their steps' cosines.
    first, second = (F.normalize(view, dim=-1).flatten(1) for view in (first, second))
    return nt_xent(first, second, temperature=temperature)


def temporal_contrast(
    first: Float[Tensor, "video dim"],
    second: Float[Tensor, "video dim"],
    *,
    temperature: float | int,
) -> Float[Tensor, ""]:
    """NT-Xent between two clips of each video, in nats.

    Raises ValueError as `nt_xent` does.
    """
    if first.ndim != 2:
        raise ValueError(f"temporal_contrast needs shape (video, dim), got {tuple(first.shape)}")
    return nt_xent(first, second, temperature=temperature)


def _require_steps(first: Tensor, second: Tensor) -> None:
    if first.ndim != 3 or first.shape != second.shape:
        raise ValueError(
            f"spatial_contrast needs two equal shapes (video, time, dim), got {tuple(first.shape)} "
            f"and {tuple(second.shape)}"
        )
