import pytest
import torch
from torch.testing import assert_close
from torchvision.models import video

from hdc.backbones.swin3d import swin3d_t

PLACES = {"stage1": 0, "stage2": 2, "stage3": 4}  # in torchvision's `features`; after it a norm


@pytest.fixture
def pair():
    """Ours and torchvision's, with the same random weights."""
    ours, theirs = swin3d_t(width=1).eval(), video.swin3d_t().eval()
    weights = theirs.state_dict().items()
    ours.load_state_dict({k: v for k, v in weights if not k.startswith("head.")})
    return ours, theirs


@pytest.mark.parametrize(("frames", "pixels"), [(16, 112), (18, 64), (7, 33)])
def test_is_torchvisions_network_without_its_classifier(pair, frames, pixels):
    """With windows that are shifted, cut and filled up."""
    ours, theirs = pair
    random = torch.Generator().manual_seed(0)
    clips = torch.randn(2, 3, frames, pixels, pixels, generator=random)
    expected = {}
    modules = {level: theirs.features[place] for level, place in PLACES.items()}
    for level, module in (modules | {"stage4": theirs.norm}).items():
        module.register_forward_hook(lambda _, __, x, level=level: expected.update({level: x}))
    with torch.no_grad():
        found, scores = ours(clips), theirs(clips)
        assert_close(theirs.head(found["stage4"].mean(dim=(2, 3, 4))), scores)
    assert list(found) == list(expected)
    for level, features in found.items():
        assert_close(features, expected[level].permute(0, 4, 1, 2, 3))


def test_nothing_is_drawn_in_training(pair):
    clips = torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    for features in zip(*(pair[0].train()(clips).values() for _ in range(2)), strict=True):
        assert torch.equal(*features)


@pytest.mark.parametrize("width", [0.0625, 0.125, 0.3, 2])
def test_heads_are_as_many_at_every_width(width):
    head = round(32 * width)
    channels = [level.channels for level in swin3d_t(width=width).levels.values()]
    assert channels == [heads * head for heads in (3, 6, 12, 24)]
