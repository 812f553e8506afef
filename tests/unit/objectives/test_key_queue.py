import pytest
import torch
from torch.testing import assert_close

from hdc.objectives.key_queue import KeyQueue


def after(steps, size, videos, groups=()):
    """A queue after some steps, each of which leaves rows that hold its number and the row's."""
    queue = KeyQueue((*groups, size, 2), seed=0, name="term")
    for step in range(1, steps + 1):
        rows = torch.stack([torch.full((videos,), float(step)), torch.arange(videos)], dim=1)
        queue.note(rows.expand(*groups, videos, 2).requires_grad_())
        queue.after_step(step)
    return queue.rows


@pytest.mark.parametrize(("size", "videos"), [(8, 4), (7, 3), (5, 4)])
def test_holds_the_newest_rows(size, videos):
    steps = 5
    every = [(step, row) for step in range(1, steps + 1) for row in range(videos)]
    found = sorted(tuple(int(x) for x in row) for row in after(steps, size, videos))
    assert found == every[-size:]


def test_a_step_larger_than_the_queue_leaves_its_last_rows():
    found = sorted(int(row[1]) for row in after(3, 4, 6))
    assert found == [2, 3, 4, 5]


def test_groups_have_queues_of_their_own():
    rows = after(3, 4, 2, groups=(3,))
    assert rows.shape == (3, 4, 2)
    assert_close(rows[0], rows[2])


def test_begins_with_unit_rows_of_its_seed_and_name():
    first, again = (KeyQueue((5, 3), seed=1, name="a").rows for _ in range(2))
    assert torch.equal(first, again)
    assert_close(first.norm(dim=1), torch.ones(5))
    assert not torch.equal(first, KeyQueue((5, 3), seed=1, name="b").rows)
