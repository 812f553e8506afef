import pytest
import torch
from torch.testing import assert_close

from hdc.objectives.term_weights import TermWeights, instance_top1


def slow_top1(first, second):
    """By loops: does each row's nearest in the other view, once centred, have its number?"""
    center = torch.cat([first, second]).mean(dim=0)
    first, second = first - center, second - center
    right = []
    for one, other in ((first, second), (second, first)):
        for i, row in enumerate(one):
            scores = [torch.cosine_similarity(row, entry, dim=0) for entry in other]
            right.append(max(range(len(scores)), key=lambda j: scores[j]) == i)
    chance = 1 / len(first)
    return (sum(right) / len(right) - chance) / (1 - chance)


@pytest.mark.parametrize("noise", [0.1, 1.0, 3.0])
def test_instance_top1_is_the_slow_form(noise):
    random = torch.Generator().manual_seed(0)
    first = 5 + torch.randn(12, 8, generator=random)
    second = first + noise * torch.randn(12, 8, generator=random)
    assert instance_top1(first, second).item() == pytest.approx(slow_top1(first, second))


def test_instance_top1_is_0_by_chance_and_1_if_always_right():
    random = torch.Generator().manual_seed(0)
    groups = torch.randn(2, 200, 10, 16, generator=random)
    assert abs(instance_top1(*groups).item()) < 0.03
    assert instance_top1(groups[0], groups[0]).item() == 1


def weights(**changes):
    values = {"kind": "measured", "decay": 0.5, "floor": 0.05, "equal_steps": 0} | changes
    return TermWeights({"a": 0.25, "b": 1.0}, **values, invariant=["a", "b"])


def test_running_mean_by_hand():
    """After 1 and then 0 at decay 1/2: 0.25 of the running sum, over 1 - 1/4."""
    found = weights()
    found.running.update({"a": torch.tensor(1.0), "b": torch.tensor(0.2)})
    assert_close(found.running.after(1), torch.tensor([1.0, 0.2]))
    found.running.update({"a": torch.tensor(0.0), "b": torch.tensor(0.2)})
    assert_close(found.running.after(2), torch.tensor([1 / 3, 0.2]))


def test_set_weights_do_not_move():
    found = weights(kind="fixed")
    found.running.update({"a": torch.tensor(1.0), "b": torch.tensor(0.0)})
    assert_close(found.current(5), torch.tensor([0.25, 1.0]))
