import pytest
import torch

from hdc.objectives.self_supervised import as_one_batch

WHOLE = torch.arange(6 * 3 * 2 * 4 * 4.0).view(6, 3, 2, 4, 4).contiguous(
    memory_format=torch.channels_last_3d
)  # fmt: skip


def test_views_that_lie_one_behind_the_other_are_not_copied():
    found = as_one_batch(WHOLE.split(2))
    assert found.data_ptr() == WHOLE.data_ptr() and torch.equal(found, WHOLE)


@pytest.mark.parametrize(
    "views",
    [
        WHOLE.split(2)[::-1],
        WHOLE.split(2)[:2],
        [WHOLE[:3], WHOLE[:3]],
        [WHOLE[0::2], WHOLE[1::2]],
        [WHOLE.flip(4)[:3], WHOLE[3:]],
        [part.clone() for part in WHOLE.split(3)],
    ],
)
def test_all_others_are(views):
    found = as_one_batch(views)
    assert torch.equal(found, torch.cat(list(views)))
