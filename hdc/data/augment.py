"""Clips as a network sees them: cropped, recoloured, blurred and roughened, on any device.

What is done to each clip was drawn before (`hdc.data.draws`), and reaches the device in one copy.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from hdc.data.draws import NUMBERS, Draw, packed
from hdc.data.flow_bytes import BOUND, LEVELS, STILL
from hdc.data.normalization import MEAN, STANDARD_DEVIATION
from hdc.data.pixel_noise import normal_noise
from hdc.runtime.sending import sent

Change = Callable[..., Tensor]  # what `changed` is, which may be compiled
LUMA = (0.2989, 0.587, 0.114)  # ITU-R BT.601, as torchvision
MOTION_UNIT = 5.0  # pixels of a view a frame; assumed: what is usual then has a size of about 1
CACHED_NUMBERS = 2**18  # of clips that a processor works on at a time: what stays in its cache


class Steps(NamedTuple):
    """What is done to some clip of several at all: what none needs costs nothing."""

    jitter: bool
    hue: bool
    greyscale: bool
    blur: bool
    noise: bool


def augment(
    clips: UInt8[Tensor, "batch time _ _ _"] | Sequence[UInt8[Tensor, "_ time _ _ _"]],
    draws: Sequence[Draw],
    *,
    pixels: int,
    change: Change | None = None,
    into: Float[Tensor, "batch _ time pixels pixels"] | None = None,
) -> Float[Tensor, "batch _ time pixels pixels"]:
    """Crop, resize, flip, recolour, blur and roughen each clip by its own draw, on its device.

    `clips` may come in parts, each with frames of one size, in the order of `draws`. Returns
    normalized clips of `pixels` x `pixels`. The order is crop, flip, brightness, contrast,
    saturation, hue, greyscale, blur, noise. `change`: `changed` if it is compiled. Clips of two
    channels are optical flow, which is cropped, resized and flipped alone.
    `into`: where the result is put; None: in a tensor of its own.
    """
    parts = [clips] if isinstance(clips, Tensor) else clips
    numbers = sent(packed(draws), parts[0].device)
    _, time, _, _, channels = parts[0].shape
    if into is None:
        into = room(len(draws), time, pixels, numbers.device, channels=channels)
    change = moved if channels == 2 else change or changed
    first = 0
    for part in parts:
        for some in part.split(_clips_at_once(part, pixels)):
            rows = slice(first, first + len(some))
            steps = steps_of(draws[rows])
            into[rows] = change(some, numbers[rows], steps, pixels=pixels)
            first = rows.stop
    return into


def room(
    batch: int, time: int, pixels: int, device: torch.device, *, channels: int = 3
) -> Float[Tensor, "_ channels _ _ _"]:
    """An empty batch of clips, laid out as the first convolution of a network takes it there."""
    # As in `hdc.runtime.fabric.laid_out`.
    layout = torch.channels_last_3d if device.type == "cpu" else torch.contiguous_format
    shape = (batch, channels, time, pixels, pixels)
    return torch.empty(shape, device=device, memory_format=layout)


def _clips_at_once(clips: UInt8[Tensor, "batch time _ _ _"], pixels: int) -> int:
    """All of them, but on a processor, which is fast in its cache alone."""
    if clips.is_cuda:
        return len(clips)
    return max(1, CACHED_NUMBERS // (3 * clips.shape[1] * pixels**2))


def steps_of(draws: Sequence[Draw]) -> Steps:
    """Which steps change a clip of these."""
    return Steps(
        jitter=any((d.brightness, d.contrast, d.saturation) != (1, 1, 1) for d in draws),
        hue=any(d.hue for d in draws),
        greyscale=any(d.greyscale for d in draws),
        blur=any(d.blur_sigma for d in draws),
        noise=any(d.noise for d in draws),
    )


def changed(
    clips: UInt8[Tensor, "batch time height width 3"],
    numbers: Float[Tensor, "batch 13"],
    steps: Steps,
    *,
    pixels: int,
) -> Float[Tensor, "batch 3 time pixels pixels"]:
    """Clips changed by their draws as packed: one graph of tensors, nothing waits for the device.

    A step of `steps` passes over all clips, and leaves alone those that it is not drawn for.
    """
    drawn = dict(zip(NUMBERS, numbers.view(len(numbers), -1, 1, 1, 1, 1).unbind(1), strict=False))
    x = resample(clips, numbers, pixels=pixels)
    if steps.jitter:
        x = adjust_brightness(x, drawn["brightness"])
        x = adjust_contrast(x, drawn["contrast"])
        x = adjust_saturation(x, drawn["saturation"])
    if steps.hue:
        x = adjust_hue(x, drawn["hue"])
    if steps.greyscale:
        x = x.lerp_(luma(x), drawn["greyscale"])
    if steps.blur:
        x = blur(x, drawn["blur_sigma"])
    if steps.noise:
        noise = normal_noise(numbers[:, -1].contiguous().view(torch.int32), x[0].numel())
        x = x.addcmul_(noise.view(x.shape), drawn["noise"]).clamp_(0, 1)
    return x.sub_(MEAN).div_(STANDARD_DEVIATION)


def moved(
    clips: UInt8[Tensor, "batch time height width 2"],
    numbers: Float[Tensor, "batch 13"],
    steps: Steps,
    *,
    pixels: int,
) -> Float[Tensor, "batch 2 time pixels pixels"]:
    """Optical flow as it is in the view: in units of MOTION_UNIT pixels, to the right and down.

    Colours, blur and noise leave motion as it is. A flip turns it around, and a crop that is
    enlarged enlarges it.
    """
    _, _, high, wide, flip = numbers[:, :5].view(-1, 5, 1, 1, 1).unbind(1)
    x = resample(clips, numbers, pixels=pixels).mul_(255).sub_(STILL)
    x.mul_(BOUND / LEVELS * pixels / MOTION_UNIT)  # of the whole view; below: of its crop
    x[:, 0].mul_((1 - 2 * flip) / wide)
    x[:, 1].div_(high)
    return x


def resample(
    clips: UInt8[Tensor, "batch time height width channels"],
    numbers: Float[Tensor, "batch 13"],
    *,
    pixels: int,
) -> Float[Tensor, "batch channels time pixels pixels"]:
    """Each clip's crop at `pixels` x `pixels`, flipped where drawn, in 0 to 1.

    Bilinear with antialiasing, as torchvision's `resized_crop`. Resampling is linear and the same
    for all frames, so it is two batched matrix products: one over height, one over width.
    """
    batch, time, height, width, channels = clips.shape
    top, left, high, wide, flip = numbers[:, :5].view(batch, 5, 1, 1).unbind(1)
    rows = _resampling(top, high, height, pixels) / 255
    columns = _resampling(left, wide, width, pixels)
    columns = torch.where(flip > 0, columns.flip(1), columns)
    x = clips.permute(0, 4, 1, 2, 3).to(rows.dtype, memory_format=torch.contiguous_format)
    x = torch.bmm(x.view(batch, -1, width), columns.mT)
    x = torch.matmul(rows.unsqueeze(1), x.view(batch, channels * time, height, pixels))
    return x.view(batch, channels, time, pixels, pixels)


def _resampling(
    start: Float[Tensor, "batch 1 1"], length: Float[Tensor, "batch 1 1"], size: int, pixels: int
) -> Float[Tensor, "batch pixels size"]:
    """Weights of the `size` old pixels in each new one, for a box along one side of each clip."""
    scale = length / pixels
    centers = start + scale * (torch.arange(pixels, device=start.device).view(-1, 1) + 0.5)
    places = torch.arange(size, device=start.device) + 0.5
    weights = (1 - (places - centers).abs() / scale.clamp(min=1)).clamp(min=0)
    weights = weights * ((places > start) & (places < start + length))
    return weights / weights.sum(dim=2, keepdim=True)


def luma(x: Float[Tensor, "batch 3 *shape"]) -> Float[Tensor, "batch 1 *shape"]:
    """Brightness as people see it."""
    red, green, blue = x.split(1, dim=1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def adjust_brightness(x: Tensor, factor: Tensor) -> Tensor:
    """Mix with black, in place: `factor` 0 is black, 1 the clip as it is."""
    return x.mul_(factor).clamp_(0, 1)


def adjust_contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Mix with each frame's mean luma, in place: `factor` 0 is plain grey, 1 the clip as it is."""
    mean = luma(x.mean(dim=(-2, -1), keepdim=True))
    return x.mul_(factor).add_(mean * (1 - factor)).clamp_(0, 1)


def adjust_saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Mix with luma, in place: `factor` 0 is black and white, 1 the clip as it is."""
    return x.lerp_(luma(x), 1 - factor).clamp_(0, 1)


def adjust_hue(
    x: Float[Tensor, "batch 3 *shape"], shift: Tensor
) -> Float[Tensor, "batch 3 *shape"]:
    """Turn the colour wheel by `shift` turns, in place; value and saturation stay.

    Without `torch.where`: which channel is the greatest are numbers, 0 or 1, which a processor
    computes many at a time.
    """
    red, green, blue = x.unbind(dim=1)
    least = torch.minimum(torch.minimum(red, green), blue)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - least
    not_red, not_green = (value - red).sign_(), (value - green).sign_()
    sixths = torch.lerp(
        (blue - red).add_(chroma, alpha=2), (red - green).add_(chroma, alpha=4), not_green
    )
    sixths = torch.lerp(green - blue, sixths, not_red).div_(chroma.clamp(min=1e-9))
    sixths.add_(6 * shift.squeeze(1))
    sixths.sub_((sixths / 6).floor_(), alpha=6)  # 0 to 6, from red over green and blue to red
    shares = ((sixths - 3).abs_() - 1, 2 - (sixths - 2).abs_(), 2 - (sixths - 4).abs_())
    for channel, share in zip((red, green, blue), shares, strict=True):
        channel.copy_(torch.addcmul(least, share.clamp_(0, 1), chroma))
    return x


def blur(
    x: Float[Tensor, "batch 3 time side side"], sigma: Tensor
) -> Float[Tensor, "batch 3 time side side"]:
    """Gaussian blur of each frame by `sigma` pixels, the picture mirrored at its edges."""
    kernel = _blurring(sigma.flatten(), x.shape[-1])
    batch, channels, time, side, _ = x.shape
    x = torch.bmm(x.reshape(batch, -1, side), kernel.mT)
    x = torch.matmul(kernel.unsqueeze(1), x.view(batch, -1, side, side))
    return x.view(batch, channels, time, side, side)


def _blurring(sigma: Float[Tensor, " batch"], side: int) -> Float[Tensor, "batch side side"]:
    """Weights of the old pixels in each new one; those of a `sigma` of 0 change nothing."""
    radius = blur_radius(side)
    offsets = torch.arange(-radius, radius + 1, device=sigma.device)
    sigma = sigma.clamp(min=1e-3).view(-1, 1)  # of which the neighbours' weights are 0
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    # Far below rounding; a processor computes many times as long with denormal numbers.
    weights = F.normalize(weights * (weights > 1e-12), p=1, dim=1)
    places = (torch.arange(side, device=sigma.device).view(-1, 1) + offsets).abs()
    places = (side - 1) - ((side - 1) - places).abs()  # mirrored at both edges
    matrix = torch.zeros(len(sigma), side, side, device=sigma.device, dtype=weights.dtype)
    return matrix.scatter_add_(
        2, places.expand(len(sigma), -1, -1), weights.unsqueeze(1).expand(-1, side, -1)
    )


def blur_radius(side: int) -> int:
    """Pixels that the blur looks to each side: a twentieth of the clip's side, as SimCLR."""
    return math.ceil(side / 20)
