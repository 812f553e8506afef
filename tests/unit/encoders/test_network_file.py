"""The network of an encoder as a program that plain torch runs."""

import io

import pytest
import torch
from torch import nn

from hdc.encoders.build import build_encoder
from hdc.encoders.network_file import network_bytes
from hdc.runtime.errors import InputError

SHAPE = (3, 8, 16, 16)
TIMM = {
    "_target_": "hdc.backbones.timm2plus1d.timm2plus1d",
    "model": "resnet18",
    "pretrained": False,
    "width": 0.0625,
}


class Branching(nn.Module):
    def forward(self, clips):
        return {"one": clips if clips.sum() > 0 else -clips}


class Drawing(nn.Module):
    def forward(self, clips):
        return {"one": clips + torch.rand_like(clips)}


def test_a_network_of_timm_takes_any_number_of_clips():
    encoder = build_encoder(TIMM, seed=0).eval()
    content = network_bytes(encoder, SHAPE)
    weights = sum(tensor.numel() for tensor in encoder.state_dict().values())
    assert len(content) < weights  # bytes; four a weight were they in it
    network = torch.export.load(io.BytesIO(content)).module()
    network.load_state_dict(encoder.state_dict(), assign=True)
    for batch in (1, 3):
        clips = torch.randn(batch, *SHAPE)
        with torch.no_grad():
            features, expected = network(clips), encoder(clips)
        assert list(features) == list(expected)
        for level, maps in expected.items():
            torch.testing.assert_close(features[level], maps)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Branching(), "a network that torch.export can put into a file, found one that it cannot"),
        (Drawing(), "computes what the network does, found other numbers in one"),
    ],
)
def test_what_cannot_be_put_into_a_file_is_refused(network, words):
    with pytest.raises(InputError, match=words) as refusal:
        network_bytes(network, SHAPE)
    assert "\n" not in str(refusal.value)
