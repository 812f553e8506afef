import pytest
import torch
from torch import nn

from hdc.backbones.overlapping_max_pool import OverlappingMaxPool3d, _OverlappingMax

POOLS = [(3, 1, 1), ((1, 3, 3), (1, 2, 2), (0, 1, 1)), (3, 2, 1), ((2, 3, 4), (1, 2, 3), (1, 0, 2))]


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


class Listening(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the name of each operator."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        self.names.append(operator.name())
        return operator(*args, **(kwargs or {}))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("pool", POOLS, ids=str)
@pytest.mark.parametrize("sides", [(4, 6, 8), (3, 5, 7), (3, 3, 3)])
def test_it_is_torchs_also_in_its_gradient(layout, pool, sides):
    """Whole numbers of a small range have many of equal size in a window, and sums without rest."""
    random = torch.Generator().manual_seed(0)
    x = torch.randint(0, 4, (2, 3, *sides), generator=random).float().to(memory_format=layout)
    expected, found = x.clone().requires_grad_(), x.clone().requires_grad_()
    theirs = nn.MaxPool3d(*pool)(expected)
    window, stride, padding = (side if isinstance(side, tuple) else (side,) * 3 for side in pool)
    ours = _OverlappingMax.apply(found, window, stride, padding)
    assert torch.equal(ours, theirs)
    gradient = torch.randint(-9, 9, theirs.shape, generator=random).float()
    theirs.backward(gradient)
    ours.backward(gradient)
    assert torch.equal(found.grad, expected.grad)


def test_its_gradient_is_the_slope():
    x = torch.randn(1, 2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    sides = ((3, 3, 3), (1, 2, 2), (1, 1, 1))
    assert torch.autograd.gradcheck(lambda x: _OverlappingMax.apply(x, *sides), x)


@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_off_the_processor_it_needs_nothing_that_cannot_be_the_same_every_time(deterministic, pool):
    """What torch cannot compute deterministically on CUDA is refused by name: none is called."""
    x = torch.empty(1, 2, 4, 6, 8, device="meta", requires_grad=True)
    with Listening() as listening:
        OverlappingMaxPool3d(*pool)(x).sum().backward()
    assert "aten::max_pool3d_with_indices" in listening.names
    assert not [name for name in listening.names if "backward" in name or "scatter" in name]


def test_elsewhere_it_is_torchs_own(deterministic):
    def operators(device):
        x = torch.zeros(1, 2, 4, 6, 8, device=device, requires_grad=True)
        with Listening() as listening:
            OverlappingMaxPool3d(3, 1, 1)(x).sum().backward()
        return listening.names

    assert "aten::max_pool3d_with_indices_backward" in operators("cpu")
    torch.use_deterministic_algorithms(False)
    assert "aten::max_pool3d_with_indices_backward" in operators("meta")
