"""The backgrounds of the synthetic videos, and the colors of shapes that stand out from them."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])
"""What the red, green and blue channel each add to the luma."""

# Luma of a background, without its texture, and of a shape. Shapes are always the lighter: networks
# as small as the demo's take far longer to read shapes that may be either. The least contrast is
# 0.85 - 0.4 - 0.1 = 0.35, and 0.24 in the dimmest light.
BACKGROUND_LUMA = (0.2, 0.4)
TEXTURE_LUMA = 0.1
SHAPE_LUMA = 0.85

# The highest wave number along each axis of a texture: low, so that it is smooth.
TEXTURE_WAVES = 3

# Cycles of stripes in a frame width: as many as can be told at 24 pixels.
STRIPES = 5

# Part of the greatest possible saturation that colors get, so that pixel noise is rarely cut off.
SATURATION = 0.8

# Sets the draws of a background apart from those of a video, which start with the seed and 0 to 2.
SEED_KEY = 3

# How far apart the two hues of a background are at most, in turns: close enough that a background
# has a color.
HUE_SPREAD = 0.12


class Background(NamedTuple):
    """What is the same in all videos of a background: two smooth textures and how light it is.

    Attributes:
        luma: without the texture.
        hue_spread: between its two hues, in turns.
        waves: amplitudes of the waves of its light and of its mix of hues, (2, wave, wave).
    """

    luma: float
    hue_spread: float
    waves: np.ndarray


@lru_cache(maxsize=256)
def background(seed: int, number: int) -> Background:
    """Return one background of a seed; other numbers give unrelated ones."""
    generator = np.random.default_rng((seed, SEED_KEY, number))
    luma = generator.uniform(*BACKGROUND_LUMA)
    spread = generator.uniform(-HUE_SPREAD, HUE_SPREAD)
    sides = 2 * TEXTURE_WAVES + 1
    real, imaginary = generator.standard_normal((2, 2, sides, sides))
    return Background(luma, spread, real + 1j * imaginary)


def background_frames(
    backdrop: Background,
    *,
    x: np.ndarray,
    y: np.ndarray,
    hue: np.ndarray,
    pixels: int,
    stripes: float | None = None,
) -> np.ndarray:
    """Return a background as it drifts and changes color.

    Args:
        backdrop: the background.
        x: its shift rightward in each frame, in frame widths, (frame,); it is periodic.
        y: its shift downward, likewise.
        hue: of each frame, in turns, (frame,).
        pixels: height and width.
        stripes: the way in which they follow one another, in degrees, 0 rightward and 90 downward;
            they take the place of the texture of its light. None: no stripes.

    Returns:
        Channels between 0 and 1, (frame, pixels, pixels, 3), float32.
    """
    texture, mix = _smooth_fields(backdrop.waves, x, y, pixels)
    if stripes is not None:
        texture = _stripes(stripes, x, y, pixels)
    gray = backdrop.luma + TEXTURE_LUMA * texture
    mix = (0.5 + 0.5 * mix)[..., None]
    first_tint, second_tint = (
        _tint(turns, backdrop.luma, TEXTURE_LUMA)[:, None, None]
        for turns in (hue, hue + backdrop.hue_spread)
    )
    return (gray[..., None] + mix * first_tint + (1 - mix) * second_tint).astype(np.float32)


def shape_color(hue: np.ndarray) -> np.ndarray:
    """Return colors of a shape, lighter than any background: (hue, 3), float32, 0 to 1.

    Args:
        hue: in turns.
    """
    return (SHAPE_LUMA + _tint(hue, SHAPE_LUMA, 0.0)).astype(np.float32)


def _tint(hue: np.ndarray, luma: float, margin: float) -> np.ndarray:
    """Return what to add to a gray to color it at the same luma, (hue, 3).

    Any gray within `margin` of `luma` keeps its channels between 0 and 1.
    """
    tint = np.cos(2 * np.pi * (hue[:, None] - np.arange(3) / 3))
    tint -= (tint @ LUMA_WEIGHTS)[:, None]
    room = np.where(tint > 0, 1 - luma - margin, luma - margin)
    most = np.min(room / np.maximum(np.abs(tint), 1e-6), axis=1, keepdims=True)
    return SATURATION * tint * most


def _smooth_fields(waves: np.ndarray, x: np.ndarray, y: np.ndarray, pixels: int) -> np.ndarray:
    """Return sums of a few waves, shifted by x and y, between -1 and 1, (field, frame, y, x)."""
    numbers = np.arange(-TEXTURE_WAVES, TEXTURE_WAVES + 1)
    places = np.arange(pixels) / pixels
    down, right = (
        np.exp(2j * np.pi * (places - shift[:, None])[..., None] * numbers) for shift in (y, x)
    )
    fields = (down @ waves[:, None] @ right.swapaxes(-1, -2)).real
    # As many terms of variance 1 as there are pairs of waves: this brings their sum to 1.
    return np.tanh(fields / len(numbers))


def _stripes(degrees: float, x: np.ndarray, y: np.ndarray, pixels: int) -> np.ndarray:
    """Return waves of one direction, shifted by x and y, between -1 and 1, (frame, y, x)."""
    right, down = STRIPES * np.cos(np.deg2rad(degrees)), STRIPES * np.sin(np.deg2rad(degrees))
    places = np.arange(pixels) / pixels
    cycles = right * (places - x[:, None])[:, None, :] + down * (places - y[:, None])[:, :, None]
    return np.sin(2 * np.pi * cycles)
