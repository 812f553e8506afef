"""The backgrounds of the synthetic videos, and colors of a given luma that stand out from them."""

from functools import lru_cache

import numpy as np

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])
"""What the red, green and blue channel each add to the luma."""

# Luma of a dark background, without its texture. A light one is as far from white as this is from
# black, and a shape on a dark background is as light as one on a light background is dark. The
# least contrast is 0.87 - 0.35 - 0.1 = 0.42: over 0.2 also where the shape is half transparent.
BACKGROUND_LUMA = (0.22, 0.35)
TEXTURE_LUMA = 0.1
SHAPE_LUMA = 0.87

# The highest wave number along each axis of a texture: low, so that it is smooth.
TEXTURE_WAVES = 3

# Part of the greatest possible saturation that colors get, so that pixel noise is rarely cut off.
SATURATION = 0.8

# Sets the draws of a background apart from those of a video, which start with the seed and 0 to 2.
SEED_KEY = 3


@lru_cache(maxsize=256)
def background_picture(seed: int, background: int, pixels: int) -> np.ndarray:
    """Return the picture of one background: smooth, periodic along both axes, and in two hues.

    Args:
        seed: of all backgrounds.
        background: which of them; other numbers give unrelated pictures.
        pixels: height and width; the same picture at any.

    Returns:
        Channels between 0 and 1, (pixels, pixels, 3), float32, not to be written to.
    """
    generator = np.random.default_rng((seed, SEED_KEY, background))
    luma = generator.uniform(*BACKGROUND_LUMA)
    if generator.random() < 0.5:
        luma = 1 - luma
    tints = [_tint(hue, luma, TEXTURE_LUMA) for hue in generator.random(2)]
    mix = 0.5 + 0.5 * _smooth_field(generator, pixels)[..., None]
    texture = TEXTURE_LUMA * _smooth_field(generator, pixels)[..., None]
    picture = (luma + texture + mix * tints[0] + (1 - mix) * tints[1]).astype(np.float32)
    picture.flags.writeable = False
    return picture


def contrasting_color(picture: np.ndarray, hue: float) -> np.ndarray:
    """Return the color of a shape that stands out by a luma of 0.4 anywhere on a background.

    Args:
        picture: a background, (height, width, 3).
        hue: of the color, in turns.

    Returns:
        Channels between 0 and 1, (3,), float32.
    """
    is_light = (picture @ LUMA_WEIGHTS).mean() > 0.5
    luma = 1 - SHAPE_LUMA if is_light else SHAPE_LUMA
    return (luma + _tint(hue, luma, 0.0)).astype(np.float32)


def _tint(hue: float, luma: float, margin: float) -> np.ndarray:
    """Return what to add to a gray to color it at the same luma, (3,).

    Any gray within `margin` of `luma` keeps its channels between 0 and 1.
    """
    tint = np.cos(2 * np.pi * (hue - np.arange(3) / 3))
    tint -= LUMA_WEIGHTS @ tint
    room = np.where(tint > 0, 1 - luma - margin, luma - margin)
    return SATURATION * tint * np.min(room / np.maximum(np.abs(tint), 1e-6))


def _smooth_field(generator: np.random.Generator, pixels: int) -> np.ndarray:
    """Return a random sum of a few waves, between -1 and 1, (pixels, pixels)."""
    waves = np.arange(-TEXTURE_WAVES, TEXTURE_WAVES + 1)
    real, imaginary = generator.standard_normal((2, len(waves), len(waves)))
    turns = np.exp(2j * np.pi * np.outer(np.arange(pixels) / pixels, waves))
    field = (turns @ (real + 1j * imaginary) @ turns.T).real
    # As many terms of variance 1 as there are pairs of waves: this brings their sum to 1.
    return np.tanh(field / len(waves))
