import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision.models import video

from hdc.backbones.s3d import PLACES, s3d


@pytest.fixture
def pair():
    """Ours and torchvision's, with the same random weights and statistics."""
    ours, theirs = s3d(width=1).eval(), video.s3d().eval()
    for name, buffer in theirs.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    weights = theirs.state_dict().items()
    ours.load_state_dict({k: v for k, v in weights if not k.startswith("classifier.")})
    return ours, theirs


def test_is_torchvisions_network_without_its_classifier(pair):
    ours, theirs = pair
    clips = torch.randn(1, 3, 16, 224, 224, generator=torch.Generator().manual_seed(0))
    expected = {}
    for level, place in PLACES.items():
        layer = theirs.features[place]
        layer.register_forward_hook(lambda _, __, x, level=level: expected.update({level: x}))
    with torch.no_grad():
        found, scores = ours(clips), theirs(clips)
        pooled = theirs.avgpool(found["mixed5c"])
        assert_close(theirs.classifier(pooled).mean(dim=(2, 3, 4)), scores)
    assert list(found) == list(expected)
    for level, features in found.items():
        assert_close(features, expected[level])


def test_norms_are_torchvisions_but_for_how_fast_they_follow(pair):
    ours, theirs = (
        [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm3d)]
        for network in pair
    )
    assert {norm.eps for norm in ours} == {norm.eps for norm in theirs} == {0.001}
    assert [{norm.momentum for norm in norms} for norms in (ours, theirs)] == [{0.1}, {0.001}]


def test_every_channel_count_is_multiplied():
    """Of a quarter nothing is rounded: all of torchvision's are multiples of 4."""
    ours, theirs = (
        [layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv3d)]
        for network in (s3d(width=0.25), video.s3d())
    )
    assert [4 * count for count in ours] == theirs[:-1]
