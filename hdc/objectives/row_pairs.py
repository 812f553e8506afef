"""Embeddings of two views as rows that a loss compares: what belongs together, what does not.

A loss compares rows i of both sides, (group, row, dim): each group for itself, all counting alike.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

Steps = Float[Tensor, "video time dim"]


def same_time(first: Steps, second: Steps) -> tuple[Tensor, Tensor]:
    """The time steps are groups: what is compared is other videos at the same step."""
    _require_steps(first, second)
    return first.transpose(0, 1), second.transpose(0, 1)


def any_time(first: Steps, second: Steps, shifts: Int[Tensor, " video"]) -> tuple[Tensor, Tensor]:
    """As `same_time`, but the second view is taken `shifts` steps later, in a circle."""
    _require_steps(first, second)
    steps = torch.arange(first.shape[1], device=first.device)
    later = (steps + shifts.view(-1, 1)) % first.shape[1]  # (video, time)
    return same_time(first, second.gather(1, later.unsqueeze(-1).expand_as(second)))


def whole_clip(first: Steps, second: Steps) -> tuple[Tensor, Tensor]:
    """All videos are one group: the cosine of two rows is the mean over time of their cosines."""
    _require_steps(first, second)
    first, second = (end_to_end(view) for view in (first, second))
    return first, second


def end_to_end(steps: Steps) -> Float[Tensor, "video number"]:
    """The unit embeddings of a video's steps, one after another."""
    return F.normalize(steps, dim=-1).flatten(1)


def other_times(first: Steps, second: Steps) -> Float[Tensor, "time video other dim"]:
    """For each time step the embeddings of the same video at all other steps, in both views."""
    times = first.shape[1]
    every = torch.arange(times, device=first.device)
    other = every.expand(times, -1)[every != every.unsqueeze(1)].view(times, times - 1)
    both = torch.cat([first[:, other], second[:, other]], dim=2)  # (video, time, other, dim)
    return both.transpose(0, 1)


def _require_steps(first: Tensor, second: Tensor) -> None:
    if first.ndim != 3 or first.shape != second.shape:
        raise ValueError(
            "expected two equal shapes (video, time, dim) to be compared step by step, got "
            f"{tuple(first.shape)} and {tuple(second.shape)}"
        )
