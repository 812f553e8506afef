"""A teacher: the exponential mean of what learns, which embeds what that is compared with."""

import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from hdc.settings.objective import Teacher


class MeanTeacher(nn.Module):
    """A copy of some modules whose weights follow theirs, and which no gradient reaches.

    Its batch norms see its own batches; their running statistics are those of the student.
    Source: MoCo (arXiv 1911.05722), eq. 2; BYOL (arXiv 2006.07733), eq. 1.
    """

    def __init__(self, student: nn.ModuleDict, settings: Teacher, *, total_steps: int) -> None:
        super().__init__()
        self.settings, self.total_steps = settings, total_steps
        self.step = 0
        self.mean = AveragedModel(student, multi_avg_fn=self._average).requires_grad_(False)
        self.mean.n_averaged.fill_(1)  # or the first update would copy the student

    def __getitem__(self, name: str) -> nn.Module:
        """The teacher's own copy of a module."""
        return self.mean.module[name]

    @property
    def modules_of_mean(self) -> nn.ModuleDict:
        """All that it has its own copies of."""
        return self.mean.module

    def follow(self, student: nn.ModuleDict, step: int) -> None:
        """Take in the student's weights after `step` steps."""
        self.step = step
        self.mean.update_parameters(student)

    def momentum(self, step: int) -> float:
        """What is left of the mean at a step, from 0 on; cosine: up to 1 at the last step."""
        start = self.settings.momentum
        if self.settings.schedule == "constant":
            return start
        done = step / max(1, self.total_steps)
        return 1 - (1 - start) * (math.cos(math.pi * done) + 1) / 2

    @torch.no_grad()
    def _average(self, means: list[Tensor], latest: list[Tensor], _: Tensor | int) -> None:
        torch._foreach_lerp_(means, latest, 1 - self.momentum(self.step - 1))
