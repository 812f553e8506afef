import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.models import video

from hdc.backbones.mvit import mvit_v2_s
from hdc.runtime.errors import InputError

ENDS = {"stage1": 0, "stage2": 2, "stage3": 13}  # the last blocks; after that of stage4 a norm


@pytest.fixture(scope="module")
def pair():
    """Ours and torchvision's, with the same random weights; theirs is made for 16 x 224 only."""
    ours, theirs = mvit_v2_s(frames=16, pixels=224, width=1).eval(), video.mvit_v2_s().eval()
    weights = theirs.state_dict().items()
    ours.load_state_dict({k: v for k, v in weights if not k.startswith("head.")})
    return ours, theirs


@pytest.mark.parametrize(("frames", "pixels"), [(16, 224), (6, 36), (16, 32)])
def test_is_torchvisions_network_without_its_classifier(pair, frames, pixels):
    """Of another size, too: its network is told it, and its blocks interpolate their positions."""
    ours, theirs = pair
    random = torch.Generator().manual_seed(0)
    clips = torch.randn(1, 3, frames, pixels, pixels, generator=random)
    theirs.pos_encoding.temporal_size = frames // 2
    theirs.pos_encoding.spatial_size = (pixels // 4, pixels // 4)
    expected = {}
    hooks = [
        theirs.blocks[number].register_forward_hook(
            lambda _, __, output, level=level: expected.update({level: output[0]})
        )
        for level, number in ENDS.items()
    ]
    hooks += [theirs.norm.register_forward_hook(lambda _, __, x: expected.update(stage4=x))]
    with torch.no_grad():
        found = ours(clips)
        theirs(clips)
    for hook in hooks:
        hook.remove()
    assert list(found) == list(expected)
    for level, features in found.items():
        tokens = features.flatten(2).transpose(1, 2)
        assert_close(tokens, expected[level][:, 1:])


@pytest.mark.parametrize(("frames", "pixels"), [(16, 16), (9, 24), (8, 112), (1, 1)])
def test_what_it_is_made_for_is_not_interpolated(frames, pixels):
    class Listening(TorchDispatchMode):
        names: tuple = ()

        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            self.names += (operator.name(),)
            return operator(*args, **(kwargs or {}))

    for made_for, interpolates in ((pixels, False), (pixels + 32, True)):
        encoder = mvit_v2_s(frames=frames, pixels=made_for, width=0.0625).eval()
        with torch.no_grad(), Listening() as listening:
            encoder(torch.zeros(1, 3, frames, pixels, pixels))
        assert ("aten::upsample_linear1d" in listening.names) == interpolates


def test_nothing_is_drawn_in_training():
    encoder = mvit_v2_s(frames=8, pixels=32, width=0.125).train()
    clips = torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    for features in zip(*(encoder(clips).values() for _ in range(2)), strict=True):
        assert torch.equal(*features)


@pytest.mark.parametrize("width", [0.001, 0.0625, 0.125, 0.3])
def test_heads_are_as_many_at_every_width(width):
    head = max(2, round(96 * width))
    encoder = mvit_v2_s(frames=8, pixels=32, width=width)
    channels = [level.channels for level in encoder.levels.values()]
    assert channels == [heads * head for heads in (1, 2, 4, 8)]


@pytest.mark.parametrize(("frames", "pixels", "unit"), [(0, 224, "frames"), (16, -1, "pixels")])
def test_it_is_made_for_no_empty_clip(frames, pixels, unit):
    with pytest.raises(InputError, match=rf"backbone\.{unit}: expected a whole number above 0, "):
        mvit_v2_s(frames=frames, pixels=pixels, width=1)


def test_interpolating_where_it_cannot_be_the_same_every_time_is_refused(monkeypatch):
    monkeypatch.setattr(torch.nn.init, "trunc_normal_", lambda tensor, **_: tensor)
    torch.use_deterministic_algorithms(True)
    try:
        with FakeTensorMode(), torch.device("cuda"):
            encoder = mvit_v2_s(frames=16, pixels=64, width=0.0625)
            encoder(torch.empty(1, 3, 16, 64, 64))
            said = r"made for, 16 frames of 64 pixels, got 16 of 32; set backbone.frames: 16, "
            with pytest.raises(InputError, match=said):
                encoder(torch.empty(1, 3, 16, 32, 32))
    finally:
        torch.use_deterministic_algorithms(False)
