"""An image network on every frame: timm's own features, frame by frame, and blind to order."""

import pytest
import timm
import torch
from torch.testing import assert_close

from hdc.backbones.image import image_network
from hdc.encoders.foreign_checkpoints import named
from hdc.encoders.naming import read_naming
from hdc.runtime.errors import InputError

MODELS = ("test_resnet", "test_convnext", "test_efficientnet")


@pytest.mark.parametrize("model", MODELS)
def test_features_are_timms_of_every_frame(model):
    """With the weights of timm's whole classifier, renamed as the mapping says."""
    torch.manual_seed(0)
    whole = timm.create_model(model, pretrained=False).eval()
    encoder = image_network(model=model, pretrained=False).eval()
    names = read_naming("timm_image")
    weights = whole.state_dict()
    encoder.load_state_dict(named(weights, encoder.state_dict(), names, where=model))
    clips = torch.randn(2, 3, 4, 64, 64)
    with torch.no_grad():
        found = encoder(clips)
        for time in range(4):
            maps = whole.forward_intermediates(clips[:, :, time], intermediates_only=True)
            for (level, features), expected in zip(found.items(), maps[-3:], strict=True):
                assert_close(features[:, :, time], expected)
                channels, time_stride, space_stride = encoder.levels[level]
                assert features.shape == (2, channels, 4 // time_stride, *2 * (64 // space_stride,))


def test_the_mean_over_time_knows_no_order():
    torch.manual_seed(0)
    encoder, clips = (
        image_network(model="test_resnet", pretrained=False).eval(),
        torch.randn(1, 3, 6, 32, 32),
    )
    with torch.no_grad():
        plain, shuffled = encoder(clips), encoder(clips[:, :, torch.randperm(6)])
    for level, features in plain.items():
        assert_close(features.mean(dim=2), shuffled[level].mean(dim=2))


def test_an_unknown_model_is_refused():
    with pytest.raises(InputError, match=r"expected a model of timm, such as .*resnet"):
        image_network(model="resnet_nonsense", pretrained=False)
