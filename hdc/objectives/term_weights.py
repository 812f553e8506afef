"""How much each term of the loss counts: as set, or by how invariant its features are."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class TermWeights(nn.Module):
    """The weights of the terms, which may follow the measured invariance of their features.

    Invariance is the running mean of chance-corrected instance top-1; it is measured in every run
    and part of the checkpoint. Measured weights are ours: the authors name better ways to weigh the
    levels as future work.
    """

    def __init__(
        self,
        fixed: dict[str, float],
        *,
        measured: bool,
        decay: float,
        floor: float,
        equal_steps: int,
    ) -> None:
        """`measured`: replace `fixed` by invariance, after `equal_steps` steps of equal weights."""
        super().__init__()
        self.names = list(fixed)
        self.measured, self.equal_steps = measured, equal_steps
        self.decay, self.floor = decay, floor
        self.register_buffer("fixed", torch.tensor(list(fixed.values())), persistent=False)
        self.register_buffer("running", torch.zeros(len(fixed)))

    def update(self, invariance: dict[str, Float[Tensor, ""]]) -> None:
        """Take in the invariance of one step."""
        latest = torch.stack([invariance[name] for name in self.names])
        self.running.lerp_(latest, 1 - self.decay)

    def invariance(self, steps: int) -> Float[Tensor, " term"]:
        """The running mean after `steps` updates, without its bias towards its start at 0."""
        return self.running / (1 - self.decay ** max(steps, 1))

    def current(self, step: int) -> Float[Tensor, " term"]:
        """The weights of a step, before they are divided by their sum."""
        if not self.measured:
            return self.fixed
        if step < self.equal_steps:
            return torch.ones_like(self.fixed)
        return self.invariance(step).clamp(min=self.floor)


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
