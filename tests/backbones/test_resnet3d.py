import torch
from torch.testing import assert_close
from torchvision.models.video import r3d_18
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

from hdc.backbones.resnet3d import r2plus1d10, r3d18


def test_r3d18_is_torchvisions_without_fc():
    random = torch.Generator().manual_seed(0)
    theirs, ours = r3d_18().eval(), r3d18(width=1).eval()
    weights = {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in weights.items()
    }
    ours.load_state_dict(weights)
    clips = torch.randn(2, 3, 8, 32, 32, generator=random)
    with torch.no_grad():
        pooled = ours(clips)["layer4"].mean(dim=(2, 3, 4))
        assert_close(theirs.fc(pooled), theirs(clips))


def test_r2plus1d10_is_torchvisions_class():
    random = torch.Generator().manual_seed(0)
    theirs = VideoResNet(BasicBlock, [Conv2Plus1D] * 4, [1, 1, 1, 1], R2Plus1dStem).eval()
    ours = r2plus1d10(width=1).eval()
    weights = {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in weights.items()
    }
    ours.load_state_dict(weights)
    clips = torch.randn(2, 3, 8, 32, 32, generator=random)
    with torch.no_grad():
        pooled = ours(clips)["layer4"].mean(dim=(2, 3, 4))
        assert_close(theirs.fc(pooled), theirs(clips))
