"""What is drawn for each clip: which square of its frames, which colours, how blurred.

A draw holds for all frames of a clip, so augmentation never makes or hides motion.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:  # who only resizes clips needs no settings
    import hdc.settings.schema

CROP_TRIES = 10  # as torchvision; then the central square
NUMBERS = (
    "top", "left", "height", "width", "flip", "brightness", "contrast", "saturation", "hue",
    "greyscale", "blur_sigma", "noise",
)  # fmt: skip


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
    generator: np.random.Generator,
    settings: "hdc.settings.schema.Augment",
    *,
    height: int,
    width: int,
    pixels: int,
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
    generator: np.random.Generator, settings: "hdc.settings.schema.Augment", height: int, width: int
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


def packed(draws: Sequence[Draw]) -> Float[Tensor, "clip 13"]:
    """All draws of a batch in one tensor, for one copy to a device: `NUMBERS`, the noise's seed.

    The seed's 32 bits stand in the last column as they are.
    """
    table = np.empty((len(draws), len(NUMBERS) + 1), dtype=np.float32)
    table[:, :-1] = [attrgetter(*NUMBERS)(drawn) for drawn in draws]
    seeds = np.array([drawn.noise_seed for drawn in draws]).astype(np.uint32)
    table[:, -1] = seeds.view(np.float32)
    return torch.from_numpy(table)
