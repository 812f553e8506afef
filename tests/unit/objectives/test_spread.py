import pytest
import torch

from hdc.objectives.spread import spread_and_rank


def slow(rows):
    """The same of one group, by numpy's own standard deviation and eigenvalues."""
    rows = (rows / rows.norm(dim=1, keepdim=True)).double().numpy()
    spread = rows.std(axis=0).mean() * rows.shape[1] ** 0.5
    centered = rows - rows.mean(axis=0)
    values = torch.linalg.eigvalsh(torch.tensor(centered.T @ centered))
    return spread, (values.sum() ** 2 / values.square().sum()).item()


@pytest.mark.parametrize("shape", [(6, 20), (20, 6)])
def test_equals_the_slow_form(shape):
    groups = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    expected = [slow(rows) for rows in groups]
    spread, rank = spread_and_rank(groups)
    assert spread.item() == pytest.approx(sum(s for s, _ in expected) / 3, rel=1e-5)
    assert rank.item() == pytest.approx(sum(r for _, r in expected) / 3, rel=1e-5)


def test_rows_that_are_all_alike_have_no_spread():
    spread, rank = spread_and_rank(torch.ones(5, 8) * torch.arange(1, 6).view(5, 1))
    assert spread.item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(rank)


def test_rows_on_a_line_have_rank_one_and_rows_everywhere_spread_one():
    line = torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]]).repeat(4, 1)
    assert spread_and_rank(line)[1].item() == pytest.approx(1)
    everywhere = torch.randn(2000, 16, generator=torch.Generator().manual_seed(0))
    spread, rank = spread_and_rank(everywhere)
    assert spread.item() == pytest.approx(1, abs=0.02)
    assert rank.item() == pytest.approx(16, abs=0.3)
