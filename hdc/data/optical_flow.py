"""Optical flow of a video's frames: how far each place moves to the next frame."""

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hdc.data.flow_bytes import FlowFrames, to_bytes

LEAST_SIDE = 16  # pixels: what the method needs


def optical_flow(frames: UInt8[np.ndarray, "time height width 3"]) -> FlowFrames:
    """Motion to the right and down of each place, from each frame to the next; the last's twice.

    DIS (Kroeger et al., arXiv 1603.03590) as OpenCV has it, in its medium setting, on luma. Frames
    too small for it are continued by their edges. The same frames give the same bytes on a machine.
    """
    vectors = [*_vectors(frames)]
    vectors += vectors[-1:] or [np.zeros((*frames.shape[1:3], 2), np.float32)]
    return to_bytes(np.stack(vectors))


def _vectors(
    frames: UInt8[np.ndarray, "time height width 3"],
) -> Iterator[Float[np.ndarray, "height width 2"]]:
    """In pixels, float32; one fewer than there are frames."""
    cv2.setNumThreads(1)  # the result depends on how many there are; videos share the cores instead
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = frames.shape[1:3]
    beyond = [(0, max(0, LEAST_SIDE - side)) for side in (height, width)]
    luma = [
        np.pad(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), beyond, mode="edge") for frame in frames
    ]
    for before, after in pairwise(luma):
        yield method.calc(before, after, None)[:height, :width]
