import pytest
import torch
from torch import nn

from hdc.backbones.window_max_pool import WindowMaxPool3d


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("window", [(1, 2, 2), (2, 2, 2), (3, 1, 2)])
@pytest.mark.parametrize("sides", [(4, 6, 8), (3, 5, 7), (1, 1, 1)])
def test_it_is_torchs_to_the_bit_also_in_its_gradient(layout, window, sides):
    """Whole numbers of a small range have many of equal size in a window."""
    random = torch.Generator().manual_seed(0)
    x = torch.randint(0, 4, (2, 3, *sides), generator=random).float().to(memory_format=layout)
    expected, found = x.clone().requires_grad_(), x.clone().requires_grad_()
    theirs = nn.MaxPool3d(window, ceil_mode=True)(expected)
    ours = WindowMaxPool3d(*window)(found)
    assert torch.equal(ours, theirs)
    gradient = torch.randn(theirs.shape, generator=random)
    theirs.backward(gradient)
    ours.backward(gradient)
    assert torch.equal(found.grad, expected.grad)


def test_its_gradient_is_the_slope():
    x = torch.randn(1, 2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(WindowMaxPool3d(2, 2, 2), x)


def test_it_needs_nothing_that_cannot_be_the_same_every_time():
    """What torch cannot compute deterministically on CUDA is refused by name: none is called."""
    names = []

    class Listening(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            names.append(operator.name())
            return operator(*args, **(kwargs or {}))

    x = torch.randn(1, 2, 4, 4, 4, requires_grad=True)
    with Listening():
        WindowMaxPool3d(2, 2, 2)(x).sum().backward()
    assert "aten::max_pool3d_with_indices" in names
    assert not [name for name in names if "backward" in name or "scatter" in name]
