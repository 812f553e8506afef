"""How much each term of the loss counts: as set, learned, or by how invariant its features are."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from hdc.objectives.running_mean import RunningMean


class TermWeights(nn.Module):
    """The weights of the terms, which may follow the measured invariance of their features.

    Invariance is the running mean of chance-corrected instance top-1; it is measured in every run
    and part of the checkpoint. Measured weights are ours: the authors name better ways to weigh the
    levels as future work. Learned ones are those of Kendall, Gal and Cipolla (arXiv 1705.07115).
    """

    def __init__(
        self,
        fixed: Mapping[str, float],
        *,
        kind: str,
        decay: float,
        floor: float,
        equal_steps: int,
        invariant: Sequence[str],
    ) -> None:
        """`kind`: as `objective.weighting` says, where frozen weights are fixed ones by now.

        Measured weights replace `fixed` after `equal_steps` steps of equal weights; `invariant`
        are the terms whose invariance is known.
        """
        super().__init__()
        self.names = list(fixed)
        self.kind, self.equal_steps, self.floor = kind, equal_steps, floor
        self.register_buffer("fixed", torch.tensor(list(fixed.values())), persistent=False)
        self.running = RunningMean(invariant, decay)
        if kind == "learned":  # the logarithm of each term's variance
            self.log_variance = nn.Parameter(torch.zeros(len(self.names)))

    def current(self, step: int) -> Float[Tensor, " term"]:
        """The weights of a step, before they are divided by their sum; no gradient."""
        if self.kind == "learned":
            return torch.exp(-self.log_variance.detach())
        if self.kind != "measured":
            return self.fixed
        if step < self.equal_steps:
            return torch.ones_like(self.fixed)
        return self.running.after(step).clamp(min=self.floor)

    def weighted(self, losses: Float[Tensor, " term"], step: int) -> Float[Tensor, ""]:
        """The weighted mean of the losses.

        Learned: the mean of exp(-s) L + s / 2 with s the logarithm of the variance (arXiv
        1705.07115, eq. 10, for likelihoods as cross-entropy is one); without s / 2 all weights
        would vanish.
        """
        if self.kind == "learned":
            variance = self.log_variance
            return (torch.exp(-variance) * losses + variance / 2).mean()
        weights = self.current(step)
        return (weights / weights.sum() * losses).sum()


@torch.no_grad()
def instance_top1(
    first: Float[Tensor, "*group video dim"], second: Float[Tensor, "*group video dim"]
) -> Float[Tensor, ""]:
    """How often a video's nearest neighbor in the other view is itself: 1 is always, 0 is chance.

    Nearest by cosine, after the mean of both views is taken off; both directions and all groups
    count equally.
    """
    with torch.autocast(first.device.type, enabled=False):  # it would round similarities to ties
        first, second = first.float(), second.float()
        center = (first.mean(dim=-2, keepdim=True) + second.mean(dim=-2, keepdim=True)) / 2
        similarity = F.normalize(first - center, dim=-1) @ F.normalize(second - center, dim=-1).mT
    videos = torch.arange(first.shape[-2], device=first.device)
    right = [(similarity.argmax(dim=dim) == videos).float().mean() for dim in (-1, -2)]
    chance = 1 / len(videos)
    return (torch.stack(right).mean() - chance) / (1 - chance)
