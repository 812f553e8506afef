import math
from types import SimpleNamespace

import pytest
import torch

from hdc.runtime.errors import InputError
from hdc.training.best_epoch import BestEpoch


class Training:
    """The part of a training that is judged: two steps an epoch, a weight that says the step."""

    def __init__(self, losses):
        self.steps_per_epoch, self.step, self.kept = 2, 0, {}
        self.task = torch.nn.Linear(1, 1)
        self.model = SimpleNamespace(train=lambda: None)
        self.losses = losses

    def go_to(self, epoch):
        self.step = 2 * epoch
        torch.nn.init.constant_(self.task.weight, epoch)

    def loss(self):
        return self.losses[self.step // 2 - 1]


def best_of(losses):
    training = Training(losses)
    for epoch in range(1, len(losses) + 1):
        training.go_to(epoch)
        best = BestEpoch.__new__(BestEpoch)  # a fresh one each epoch, as after an interruption
        best.training, best.loss = training, training.loss
        best.judge()
        best.judge()  # twice changes nothing
    best.load()
    return best.facts(), training.task.weight.item()


def test_the_earliest_of_the_least():
    facts, weight = best_of([3.0, 1.0, 2.0, 1.0])
    assert facts == {"best_epoch": 2, "validation_loss": [3.0, 1.0, 2.0, 1.0]}
    assert weight == 2


@pytest.mark.parametrize("losses", [[math.nan, 1.0], [1.0, math.inf]])
def test_a_loss_that_is_not_finite_is_refused_at_once(losses):
    with pytest.raises(InputError, match="expected a finite loss on validation, got"):
        best_of(losses)
