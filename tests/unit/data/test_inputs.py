import torch
from torch import nn

from hdc.data.inputs import difference, seen_as, sees


def test_difference_by_hand():
    clip = torch.tensor([1.0, 4.0, 2.0]).view(1, 1, 3, 1, 1).expand(1, 3, 3, 2, 2)
    assert difference(clip)[0, 0, :, 0, 0].tolist() == [3.0, 3.0, -2.0]
    assert seen_as("rgb", clip) is clip


def test_a_still_clip_has_no_difference():
    assert not difference(torch.ones(1, 3, 4, 2, 2)).any()
    assert not difference(torch.ones(1, 3, 1, 2, 2)).any()


def test_an_encoder_sees_what_it_was_trained_on():
    clips = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    encoder = nn.Identity()
    sees(encoder, "difference")
    assert torch.equal(encoder(clips), difference(clips))
    plain = nn.Identity()
    sees(plain, "rgb")
    assert torch.equal(plain(clips), clips)
