"""Optical flow in 8 bit, and what it is of the frames that a clip shows.

A byte of 128 is no motion; 1 to 255 are BOUND pixels to the left or up, to the right or down.
"""

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

# Pixels of the stored video a frame. Two-stream networks clip at 20 (arXiv 1608.00859) where frames
# are twice as high as they are here by default.
BOUND = 10.0
STILL, LEVELS = 128, 127

FlowFrames = UInt8[np.ndarray, "time height width 2"]


def to_bytes(pixels: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Motion in pixels a frame as bytes, clipped to BOUND."""
    levels = np.rint(pixels.clip(-BOUND, BOUND) * (LEVELS / BOUND))
    return (levels + STILL).astype(np.uint8)


def earlier(numbers: Int64[Tensor, "*clips time"]) -> Int64[Tensor, "*clips time"]:
    """The frame whose motion leads from each shown frame to the next; the last's as before it."""
    if numbers.shape[-1] == 1:
        return numbers
    first = torch.minimum(numbers[..., :-1], numbers[..., 1:])
    return torch.cat([first, first[..., -1:]], dim=-1)


def flow_shown(
    flow: UInt8[Tensor, "*clips time height width 2"], numbers: Int64[Tensor, "*clips time"]
) -> UInt8[Tensor, "*clips time height width 2"]:
    """The motion from each frame that a clip shows to the next one; the last's as before it.

    `flow`: of the frames `earlier(numbers)`. From frame n to frame m it is m - n times the motion
    of the earlier of the two, clipped: nothing where a frame is repeated, backwards where the clip
    runs backwards. That is right for even motion; where a short video is looped there is a cut.
    """
    steps = numbers.diff(dim=-1)
    last = steps[..., -1:] if steps.shape[-1] else torch.zeros_like(numbers)
    steps = torch.cat([steps, last], dim=-1)[..., None, None, None]
    levels = (flow.int() - STILL) * steps.int()
    return (levels.clamp(-LEVELS, LEVELS) + STILL).byte()
