"""The smallest pretext task: what a layer makes of numbers shall be 1."""

from torch import nn

from hdc.objectives.pretext_task import NO_VARIANTS, PretextTask, TaskLoss
from hdc.settings.objective import View


class ToyTask(PretextTask):
    """A layer of three numbers, given as clips of one pixel; its loss is logged as `term`, too."""

    def __init__(self, layer=None):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(3, 1)) if layer is None else layer
        self.views, self.pairs = {"clip": View(crop=1, draw="a")}, {}

    def forward(self, views, rows, step, variants=NO_VARIANTS):
        loss = (self.encoder(views["clip"]) - 1).square().mean()
        return TaskLoss(loss, (), {"term": loss})


def take_step(training, numbers):
    """One step of a training of a toy task on rows of three numbers."""
    training.take_step({"clip": numbers.view(len(numbers), 3, 1, 1, 1)}, [*range(len(numbers))])
