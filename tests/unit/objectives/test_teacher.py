import math

import pytest
import torch
from torch import nn

from hdc.objectives.teacher import MeanTeacher
from hdc.settings.objective import Teacher


def student():
    torch.manual_seed(0)
    return nn.ModuleDict({"encoder": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))})


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_follows_as_an_exponential_mean(schedule):
    learner = student()
    teacher = MeanTeacher(learner, Teacher(0.9, schedule), total_steps=4)
    mean = learner["encoder"][0].weight.detach().clone()
    for step in range(1, 5):
        with torch.no_grad():
            learner["encoder"][0].weight.add_(step)
            learner["encoder"][1].running_mean.add_(1)
        left = 0.9
        if schedule == "cosine":  # BYOL, section 3.2: 1 - (1 - base) (cos(pi k / K) + 1) / 2
            left = 1 - 0.1 * (math.cos(math.pi * (step - 1) / 4) + 1) / 2
        teacher.follow(learner, step)
        mean = left * mean + (1 - left) * learner["encoder"][0].weight.detach()
        assert torch.allclose(teacher["encoder"][0].weight, mean, atol=1e-6)
    assert torch.equal(teacher["encoder"][1].running_mean, learner["encoder"][1].running_mean)


def test_begins_as_the_student_and_learns_nothing_itself():
    learner = student()
    teacher = MeanTeacher(learner, Teacher(0.5, "constant"), total_steps=4)
    assert torch.equal(teacher["encoder"][0].weight, learner["encoder"][0].weight)
    assert teacher["encoder"][0].weight is not learner["encoder"][0].weight
    assert not any(weight.requires_grad for weight in teacher.parameters())
