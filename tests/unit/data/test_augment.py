from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torchvision.transforms.v2 import functional

from hdc.data import augment
from hdc.data.draws import Draw, draw, packed, squares
from hdc.settings.schema import Augment

NONE = {
    "crop_area": [1.0, 1.0], "crop_aspect": [1.0, 1.0], "flip": 0.0, "jitter": 0.0,
    "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "greyscale": 0.0,
    "blur": 0.0, "blur_sigma": [0.01, 0.05], "noise": 0.0,
}  # fmt: skip
SIZE = {"height": 40, "width": 53, "pixels": 16}


@pytest.fixture
def stored():
    """Three stored clips (video, time, height, width, channel)."""
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 4, 40, 53, 3), dtype=torch.uint8, generator=random)


@pytest.fixture
def clips():
    return torch.rand(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))


def column(*values):
    return torch.tensor(values).view(-1, 1, 1, 1, 1)


@pytest.mark.parametrize("pixels", [16, 32, 64])
def test_resample_is_torchvisions_crop_resize_and_flip(stored, pixels):
    draws = [Draw(3, 5, 30, 20, flip=True), Draw(0, 0, 40, 53), Draw(10, 1, 9, 50)]
    found = augment.resample(stored, packed(draws), pixels=pixels)
    for clip, one, result in zip(stored, draws, found, strict=True):
        frames = clip.permute(0, 3, 1, 2).float() / 255
        box = one.top, one.left, one.height, one.width
        expected = functional.resized_crop(frames, *box, [pixels, pixels], antialias=True)
        expected = functional.horizontal_flip(expected) if one.flip else expected
        assert_close(result.transpose(0, 1), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs", "values"),
    [
        (augment.adjust_brightness, functional.adjust_brightness, (0.6, 1.4)),
        (augment.adjust_contrast, functional.adjust_contrast, (0.6, 1.4)),
        (augment.adjust_saturation, functional.adjust_saturation, (0.0, 1.4)),
        (augment.adjust_hue, functional.adjust_hue, (0.1, -0.4)),
    ],
)
def test_colours_are_torchvisions(clips, ours, theirs, values):
    found = ours(clips.clone(), column(*values))  # in place
    for clip, value, result in zip(clips, values, found, strict=True):
        assert_close(result.transpose(0, 1), theirs(clip.transpose(0, 1), value), rtol=0, atol=5e-6)


def test_luma_is_torchvisions_greyscale(clips):
    expected = functional.rgb_to_grayscale(clips[0].transpose(0, 1))
    assert_close(augment.luma(clips)[0].transpose(0, 1), expected)


def test_blur_is_torchvisions(clips):
    sigmas, size = (0.3, 1.4), 2 * augment.blur_radius(32) + 1
    found = augment.blur(clips, column(*sigmas))
    for clip, sigma, result in zip(clips, sigmas, found, strict=True):
        expected = functional.gaussian_blur(clip.transpose(0, 1), [size, size], [sigma, sigma])
        assert_close(result.transpose(0, 1), expected, rtol=0, atol=2e-6)


def test_each_clip_gets_its_own_draw(stored):
    plain, changed = Draw(0, 0, 40, 40), Draw(0, 0, 40, 40, greyscale=True, hue=0.2, blur_sigma=1.0)
    both = augment.augment(stored[:2], [plain, changed], pixels=32)
    alone = augment.augment(stored[:1], [plain], pixels=32)
    assert_close(both[:1], alone)
    grey = both[1]
    assert_close(grey[0], grey[1])
    assert not torch.allclose(both[0, 0], both[0, 1])


def test_all_frames_of_a_clip_share_a_draw():
    still = torch.randint(0, 256, (1, 1, 40, 40, 3), dtype=torch.uint8).expand(-1, 6, -1, -1, -1)
    settings = Augment(
        **(NONE | {"jitter": 1.0, "blur": 1.0, "crop_area": [0.2, 0.5], "flip": 1.0})
    )
    one = draw(np.random.default_rng(0), settings, height=40, width=40, pixels=32)
    clip = augment.augment(still, [one], pixels=32)[0]
    assert_close(clip[:, 1:], clip[:, :1].expand(-1, 5, -1, -1))


def test_result_is_normalized(stored):
    white = torch.full_like(stored, 255)
    found = augment.augment(white, [Draw(0, 0, 40, 53)] * 3, pixels=16)
    assert_close(found, torch.full_like(found, (1 - 0.45) / 0.225))


def test_draws_stay_inside_the_frame_and_the_settings():
    settings = Augment(
        **(NONE | {"crop_area": [0.2, 1.0], "crop_aspect": [0.75, 1.3333], "jitter": 0.5})
    )
    random = np.random.default_rng(0)
    draws = [draw(random, settings, height=40, width=53, pixels=32) for _ in range(2000)]
    for one in draws:
        assert one.top >= 0 <= one.left
        assert one.top + one.height <= 40 and one.left + one.width <= 53
        assert 0.18 <= one.height * one.width / (40 * 53) <= 1
    jittered = [one for one in draws if one.brightness != 1]
    assert 900 < len(jittered) < 1100
    assert min(one.brightness for one in jittered) == pytest.approx(0.6, abs=0.01)
    assert max(one.hue for one in jittered) == pytest.approx(0.1, abs=0.005)


def test_probabilities_of_0_and_1():
    every = NONE | {"flip": 1.0, "jitter": 1.0, "greyscale": 1.0, "blur": 1.0}
    for values, expected in ((NONE, False), (every, True)):
        random = np.random.default_rng(0)
        one = draw(random, Augment(**values), height=40, width=40, pixels=32)
        assert one.flip is expected and one.greyscale is expected
        assert (one.blur_sigma > 0) is expected and (one.contrast != 1) is expected


def test_a_changed_probability_changes_nothing_else():
    more = NONE | {"flip": 1.0}
    draws = [
        draw(np.random.default_rng(3), Augment(**values), height=40, width=40, pixels=32)
        for values in (NONE | {"crop_area": [0.2, 0.8]}, more | {"crop_area": [0.2, 0.8]})
    ]
    assert draws[0].flip != draws[1].flip
    assert (draws[0].top, draws[0].left, draws[0].height) == (
        draws[1].top, draws[1].left, draws[1].height,
    )  # fmt: skip


def test_central_square():
    assert squares(40, 53, 1.0) == [Draw(0, 6, 40, 40)]
    assert squares(128, 171, 0.875) == [Draw(8, 29, 112, 112)]


def test_three_squares_along_the_longer_side():
    wide = [Draw(8, left, 112, 112) for left in (0, 29, 59)]
    assert squares(128, 171, 0.875, count=3) == wide
    tall = [Draw(top, 8, 112, 112) for top in (0, 29, 59)]
    assert squares(171, 128, 0.875, count=3) == tall


def test_parts_of_different_sizes_make_one_batch(stored):
    draws = [
        draw(np.random.default_rng(seed), Augment(**NONE | {"jitter": 0.5}), **SIZE)
        for seed in range(5)
    ]
    parts = [stored, stored[:2, :, :30, :41]]
    small = [replace(drawn, top=0, left=0, height=30, width=40) for drawn in draws[3:]]
    together = augment.augment(parts, draws[:3] + small, pixels=16)
    assert_close(together[:3], augment.augment(stored, draws[:3], pixels=16))
    assert_close(together[3:], augment.augment(parts[1], small, pixels=16))


def test_a_batch_that_is_too_large_for_the_cache_gives_the_same(stored, monkeypatch):
    settings = Augment(**NONE | {"jitter": 0.5, "greyscale": 0.3, "blur": 0.5, "noise": 0.1})
    draws = [draw(np.random.default_rng(seed), settings, **SIZE) for seed in range(3)]
    whole = augment.augment(stored, draws, pixels=16)
    monkeypatch.setattr(augment, "CACHED_NUMBERS", 1)
    assert_close(augment.augment(stored, draws, pixels=16), whole)


def test_a_step_that_no_clip_needs_is_left_out_and_changes_nothing(stored, monkeypatch):
    """Passing over clips that a step is not drawn for is the same as not passing over them."""
    plain = [Draw(0, 0, 40, 40)] * 3
    assert augment.steps_of(plain) == augment.Steps(*[False] * 5)
    without = augment.augment(stored, plain, pixels=32)
    monkeypatch.setattr(augment, "steps_of", lambda draws: augment.Steps(*[True] * 5))
    assert_close(augment.augment(stored, plain, pixels=32), without, rtol=0, atol=5e-6)


def test_noise_is_of_the_view_and_as_strong_as_asked():
    """Another draw of the same pixels has other noise, and so has every frame of one."""
    gray = torch.full((3, 4, 40, 40, 3), 128, dtype=torch.uint8)
    settings = Augment(**NONE | {"noise": 0.05})
    one, other = (
        draw(np.random.default_rng(seed), settings, height=40, width=40, pixels=32)
        for seed in (0, 1)
    )
    clips = augment.augment(gray, [one, one, other], pixels=32)
    assert_close(clips[0], clips[1], rtol=0, atol=0)
    noise = clips * augment.STANDARD_DEVIATION + augment.MEAN - 128 / 255
    assert noise[[0, 2]].std().item() == pytest.approx(0.05, rel=0.02)
    assert abs(noise[[0, 2]].mean().item()) < 0.001
    pairs = [(noise[0], noise[2]), (noise[0][:, 1:], noise[0][:, :-1])]
    assert all(abs((a * b).mean().item()) < 0.05 * 0.05**2 for a, b in pairs)
    white = augment.augment(torch.full_like(gray, 255)[:1], [one], pixels=32)
    assert (white * augment.STANDARD_DEVIATION + augment.MEAN).max().item() <= 1 + 1e-5
