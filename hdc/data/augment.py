"""Which pixels of a clip a network sees: drawn per video on the CPU, applied to a batch anywhere.

A draw holds for all frames of a clip, so augmentation never makes or hides motion.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from hdc.data.normalization import MEAN, STANDARD_DEVIATION
from hdc.settings.schema import Augment

LUMA = (0.2989, 0.587, 0.114)  # ITU-R BT.601, as torchvision
CROP_TRIES = 10  # as torchvision; then the central square


@dataclass(frozen=True)
class Draw:
    """One spatial augmentation of one clip. The crop is in pixels of the stored frame."""

    top: int
    left: int
    height: int
    width: int
    flip: bool = False
    brightness: float = 1.0  # factors; 1 leaves the clip as it is
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0  # shift in turns of the colour wheel
    greyscale: bool = False
    blur_sigma: float = 0.0  # pixels of the clip; 0: not blurred
    noise: float = 0.0  # standard deviation per pixel and frame
    noise_seed: int = 0


def squares(height: int, width: int, share: float, *, count: int = 1) -> list[Draw]:
    """Squares spread evenly along a frame's longer side, ends included; a single one is the middle.

    Their side is `share` of the frame's shorter side, along which they are in the middle.
    """
    side = max(1, round(share * min(height, width)))
    top, left = height - side, width - side  # the last place of each
    steps = [0.5] if count == 1 else [number / (count - 1) for number in range(count)]
    if width >= height:
        return [Draw(top // 2, int(step * left), side, side) for step in steps]
    return [Draw(int(step * top), left // 2, side, side) for step in steps]


def draw(
    generator: np.random.Generator, settings: Augment, *, height: int, width: int, pixels: int
) -> Draw:
    """Draw one augmentation for a stored frame of `height` x `width` and a clip of `pixels`.

    Every draw takes the same random numbers in the same order, whatever the settings, so that a
    changed probability changes nothing else.
    """
    crop = _draw_crop(generator, settings, height, width)
    chances = generator.random(4)  # flip, jitter, greyscale, blur
    spread = generator.uniform(-1, 1, size=4)  # brightness, contrast, saturation, hue
    least, greatest = settings.blur_sigma
    sigma = pixels * generator.uniform(least, greatest)
    noise_seed = int(generator.integers(2**32))
    jitter = spread if chances[1] < settings.jitter else np.zeros(4)
    return Draw(
        *crop,
        flip=bool(chances[0] < settings.flip),
        brightness=1 + settings.brightness * float(jitter[0]),
        contrast=1 + settings.contrast * float(jitter[1]),
        saturation=1 + settings.saturation * float(jitter[2]),
        hue=settings.hue * float(jitter[3]),
        greyscale=bool(chances[2] < settings.greyscale),
        blur_sigma=sigma if chances[3] < settings.blur else 0.0,
        noise=settings.noise,
        noise_seed=noise_seed,
    )


def _draw_crop(
    generator: np.random.Generator, settings: Augment, height: int, width: int
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random resized crop; the central square if none fits."""
    areas = height * width * generator.uniform(*settings.crop_area, size=CROP_TRIES)
    aspects = np.exp(generator.uniform(*np.log(settings.crop_aspect), size=CROP_TRIES))
    places = generator.random(2)
    for area, aspect in zip(areas, aspects, strict=True):
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < high <= height:
            top = int(places[0] * (height - high + 1))
            left = int(places[1] * (width - wide + 1))
            return top, left, high, wide
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def stack_clips(
    clips: Sequence[UInt8[np.ndarray, "time _ _ 3"]],
) -> UInt8[Tensor, "batch time height width 3"]:
    """Clips of different sizes as one batch, filled up with black below and to the right."""
    height = max(clip.shape[1] for clip in clips)
    width = max(clip.shape[2] for clip in clips)
    batch = np.zeros((len(clips), len(clips[0]), height, width, 3), dtype=np.uint8)
    for row, clip in zip(batch, clips, strict=True):
        row[:, : clip.shape[1], : clip.shape[2]] = clip
    return torch.from_numpy(batch)


def augment(
    clips: UInt8[Tensor, "batch time _ _ 3"], draws: Sequence[Draw], *, pixels: int
) -> Float[Tensor, "batch 3 time pixels pixels"]:
    """Crop, resize, flip, recolour, blur and roughen each clip by its own draw, on its device.

    Returns normalized clips of `pixels` x `pixels`. The order is crop, flip, brightness, contrast,
    saturation, hue, greyscale, blur, noise.
    """
    x = resample(clips, draws, pixels=pixels)
    x = adjust_brightness(x, _column(draws, "brightness", x))
    x = adjust_contrast(x, _column(draws, "contrast", x))
    x = adjust_saturation(x, _column(draws, "saturation", x))
    x = _some(x, [row for row, drawn in enumerate(draws) if drawn.hue], adjust_hue, draws, "hue")
    grey = [row for row, drawn in enumerate(draws) if drawn.greyscale]
    if grey:
        x[grey] = luma(x[grey]).expand(-1, 3, -1, -1, -1)
    x = _some(
        x, [row for row, drawn in enumerate(draws) if drawn.blur_sigma], blur, draws, "blur_sigma"
    )
    for row, drawn in enumerate(draws):
        if drawn.noise:
            # On the clips' device: noise for full-size clips is larger than the clips themselves.
            random = torch.Generator(x.device).manual_seed(drawn.noise_seed)
            noise = torch.randn(x[row].shape, generator=random, device=x.device)
            x[row] = (x[row] + drawn.noise * noise).clamp(0, 1)
    return (x - MEAN) / STANDARD_DEVIATION


def _column(draws: Sequence[Draw], name: str, like: Tensor) -> Float[Tensor, "batch 1 1 1 1"]:
    values = torch.tensor([float(getattr(drawn, name)) for drawn in draws], dtype=like.dtype)
    return values.to(like.device, non_blocking=True).view(-1, 1, 1, 1, 1)


def _some(x: Tensor, rows: list[int], change, draws: Sequence[Draw], name: str) -> Tensor:
    """`x` with `change(rows of x, their values)` in some rows, left alone in the others."""
    if rows:
        x[rows] = change(x[rows], _column([draws[row] for row in rows], name, x))
    return x


def resample(
    clips: UInt8[Tensor, "batch time height width 3"], draws: Sequence[Draw], *, pixels: int
) -> Float[Tensor, "batch 3 time pixels pixels"]:
    """Each clip's crop at `pixels` x `pixels`, flipped where drawn, in 0 to 1.

    Bilinear with antialiasing, as torchvision's `resized_crop`. Resampling is linear and the same
    for all frames, so it is two batched matrix products: one over height, one over width.
    """
    batch, time, height, width, _ = clips.shape
    rows = _resampling([(drawn.top, drawn.height) for drawn in draws], height, pixels, clips.device)
    columns = _resampling(
        [(drawn.left, drawn.width) for drawn in draws], width, pixels, clips.device
    )
    flipped = torch.tensor([drawn.flip for drawn in draws], device=clips.device).view(-1, 1, 1)
    columns = torch.where(flipped, columns.flip(1), columns)
    x = clips.permute(0, 2, 1, 4, 3).reshape(batch, height, -1).to(rows.dtype) / 255
    x = torch.bmm(rows, x).view(batch, -1, width)  # (batch, pixels * time * channel, width)
    x = torch.bmm(x, columns.mT).view(batch, pixels, time, 3, pixels)
    return x.permute(0, 3, 2, 1, 4).contiguous()


def _resampling(
    boxes: list[tuple[int, int]], size: int, pixels: int, device: torch.device
) -> Float[Tensor, "batch pixels size"]:
    """Weights of the `size` old pixels in each new one, for a box (start, length) per clip."""
    start, length = (
        torch.tensor(boxes, dtype=torch.float32).T.to(device).unsqueeze(-1).unsqueeze(-1)
    )
    scale = length / pixels
    centers = start + scale * (torch.arange(pixels, device=device).view(-1, 1) + 0.5)
    places = torch.arange(size, device=device) + 0.5
    weights = (1 - (places - centers).abs() / scale.clamp(min=1)).clamp(min=0)
    weights = weights * ((places > start) & (places < start + length))
    return weights / weights.sum(dim=2, keepdim=True)


def luma(x: Float[Tensor, "batch 3 *shape"]) -> Float[Tensor, "batch 1 *shape"]:
    """Brightness as people see it."""
    return sum(weight * x[:, i : i + 1] for i, weight in enumerate(LUMA))


def adjust_brightness(x: Tensor, factor: Tensor) -> Tensor:
    """Mix with black: `factor` 0 is black, 1 the clip as it is."""
    return (x * factor).clamp(0, 1)


def adjust_contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Mix with each frame's mean luma: `factor` 0 is plain grey, 1 the clip as it is."""
    mean = luma(x).mean(dim=(-2, -1), keepdim=True)
    return torch.lerp(mean, x, factor).clamp(0, 1)


def adjust_saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Mix with luma: `factor` 0 is black and white, 1 the clip as it is."""
    return torch.lerp(luma(x), x, factor).clamp(0, 1)


def adjust_hue(
    x: Float[Tensor, "batch 3 *shape"], shift: Tensor
) -> Float[Tensor, "batch 3 *shape"]:
    """Turn the colour wheel by `shift` turns; value and saturation stay."""
    red, green, blue = x.unbind(dim=1)
    value, chroma = x.amax(dim=1), x.amax(dim=1) - x.amin(dim=1)
    divisor = torch.where(chroma == 0, 1, chroma)
    sixths = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    sixths = sixths + 6 * shift.squeeze(1)
    channels = []
    for offset in (5, 3, 1):
        k = (offset + sixths) % 6
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, dim=1)


def blur(
    x: Float[Tensor, "batch 3 time side side"], sigma: Tensor
) -> Float[Tensor, "batch 3 time side side"]:
    """Gaussian blur of each frame by `sigma` pixels, the picture mirrored at its edges."""
    kernel = _blurring(sigma.flatten(), x.shape[-1])
    batch, channels, time, side, _ = x.shape
    x = torch.bmm(x.reshape(batch, -1, side), kernel.mT).view(x.shape)
    x = torch.bmm(x.mT.reshape(batch, -1, side), kernel.mT)
    return x.view(batch, channels, time, side, side).mT.contiguous()


def _blurring(sigma: Float[Tensor, " batch"], side: int) -> Float[Tensor, "batch side side"]:
    """Weights of the old pixels in each new one."""
    radius = blur_radius(side)
    offsets = torch.arange(-radius, radius + 1, device=sigma.device)
    weights = F.normalize(torch.exp(-0.5 * (offsets / sigma.view(-1, 1)) ** 2), p=1, dim=1)
    places = (torch.arange(side, device=sigma.device).view(-1, 1) + offsets).abs()
    places = (side - 1) - ((side - 1) - places).abs()  # mirrored at both edges
    matrix = torch.zeros(len(sigma), side, side, device=sigma.device, dtype=weights.dtype)
    return matrix.scatter_add_(
        2, places.expand(len(sigma), -1, -1), weights.unsqueeze(1).expand(-1, side, -1)
    )


def blur_radius(side: int) -> int:
    """Pixels that the blur looks to each side: a twentieth of the clip's side, as SimCLR."""
    return math.ceil(side / 20)
