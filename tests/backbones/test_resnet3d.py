import pytest
import torch
from torch.testing import assert_close
from torchvision.models.video import r3d_18

from hdc.backbones.resnet3d import r3d18


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


def test_level_shapes_of_the_published_network():
    with torch.no_grad():
        features = r3d18(width=1).eval()(torch.zeros(1, 3, 16, 112, 112))
    assert {name: tuple(table.shape) for name, table in features.items()} == {
        "layer2": (1, 128, 8, 28, 28),
        "layer3": (1, 256, 4, 14, 14),
        "layer4": (1, 512, 2, 7, 7),
    }


@pytest.mark.parametrize("width", [0.0625, 0.125, 0.3, 1])
def test_levels_say_the_channels_at_any_width(width):
    encoder = r3d18(width=width).eval()
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, 16, 16, 16))
    assert encoder.levels == {name: table.shape[1] for name, table in features.items()}


@pytest.mark.parametrize(("frames", "pixels"), [(7, 32), (8, 32), (16, 33)])
def test_odd_sizes_work(frames, pixels):
    with torch.no_grad():
        features = r3d18(width=0.0625).eval()(torch.zeros(1, 3, frames, pixels, pixels))
    assert features["layer4"].shape[2] == -(-frames // 8)
