import pytest
import torch
from torch.testing import assert_close
from torchvision.models.video import mc3_18, r2plus1d_18, r3d_18
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

from hdc.backbones.resnet3d import mc318, r2plus1d10, r2plus1d18, r3d18


def r2plus1d_10():
    """R(2+1)D-10 as torchvision's class builds it."""
    return VideoResNet(BasicBlock, [Conv2Plus1D] * 4, [1, 1, 1, 1], R2Plus1dStem)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (r3d18, r3d_18),
        (r2plus1d10, r2plus1d_10),
        (r2plus1d18, r2plus1d_18),
        (mc318, mc3_18),
    ],
)
def test_is_torchvisions_network_without_fc(ours, theirs):
    ours, theirs = ours(width=1).eval(), theirs().eval()
    weights = {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in weights.items()
    }
    ours.load_state_dict(weights)
    clips = torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = {}
    for level in ours.levels:
        layer = getattr(theirs, level)
        layer.register_forward_hook(lambda _, __, x, level=level: expected.update({level: x}))
    with torch.no_grad():
        found, scores = ours(clips), theirs(clips)
        assert_close(theirs.fc(found["layer4"].mean(dim=(2, 3, 4))), scores)
    assert list(found) == list(expected)
    for level, features in found.items():
        assert_close(features, expected[level])
        assert features.shape[1] == ours.levels[level].channels
