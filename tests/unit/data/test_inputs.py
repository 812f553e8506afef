import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from hdc.data.inputs import Input, differences, input_named, seen_as, sees
from hdc.runtime.errors import InputError


def test_differences_by_hand():
    clip = torch.tensor([1.0, 4.0, 2.0]).view(1, 1, 3, 1, 1).expand(1, 3, 3, 2, 2)
    assert differences(clip)[0, 0, :, 0, 0].tolist() == [3.0, 3.0, -2.0]
    assert seen_as("rgb", clip) is clip


def test_a_still_clip_has_no_difference():
    assert not differences(torch.ones(1, 3, 4, 2, 2)).any()
    assert not differences(torch.ones(1, 3, 1, 2, 2)).any()


def test_an_encoder_sees_what_it_was_trained_on():
    clips = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    encoder = nn.Identity()
    sees(encoder, "difference")
    assert torch.equal(encoder(clips), differences(clips))
    plain = nn.Identity()
    sees(plain, "rgb")
    assert torch.equal(plain(clips), clips)


def test_an_input_of_ones_own_is_an_object_by_its_name(monkeypatch):
    module = ModuleType("my_inputs")
    module.grey = Input(channels=1, seen=lambda clips: clips.mean(dim=1, keepdim=True))
    module.call_me = lambda: pytest.fail("called")
    monkeypatch.setitem(sys.modules, "my_inputs", module)
    assert seen_as("my_inputs.grey", torch.ones(1, 3, 2, 2, 2)).shape[1] == 1
    for name in ("my_inputs.call_me", "my_inputs.gone", "not_there.grey", "plain"):
        with pytest.raises(InputError, match=f"expected one of rgb.*found {name}"):
            input_named(name)
