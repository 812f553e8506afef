"""How a file says that its frames are to be shown: turned, mirrored, or as they are."""

import math
from dataclasses import dataclass

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from jaxtyping import Float, UInt8

_TOLERANCE = math.sin(math.radians(1))  # players, too, take one degree for none


@dataclass(frozen=True)
class Orientation:
    """What a player does to a frame before it shows it: mirror it, then turn it."""

    mirrored: bool  # left and right change places
    rotation: int  # degrees counterclockwise, -180 to 180
    fault: str = ""  # why frames are not stored as a player shows them

    def upright(
        self, frames: UInt8[np.ndarray, "time height width 3"]
    ) -> UInt8[np.ndarray, "time shown_height shown_width 3"]:
        """Frames as a player shows them; unchanged unless that is a mirroring or quarter turns."""
        if self.fault or not (self.mirrored or self.rotation):
            return frames
        frames = frames[:, :, ::-1] if self.mirrored else frames
        return np.rot90(frames, self.rotation // 90, axes=(1, 2))


def display_matrix(frame: VideoFrame) -> bytes:
    """A frame's display matrix, nine int32; empty if it has none."""
    data = frame.side_data.get(Type.DISPLAYMATRIX)
    return b"" if data is None else bytes(data)


def orientation_of(matrix: bytes) -> Orientation:
    """What a display matrix says; its scale and its translation say nothing about up or left.

    It is 3 x 3 in fixed point: the first row says where the axis to the right points, right and
    down, the second where the axis down does.
    """
    if not matrix:
        return Orientation(mirrored=False, rotation=0)
    axes = np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2] / 2**16
    mirrored = bool(np.linalg.det(axes) < 0)
    angle = math.degrees(math.atan2(axes[1, 0], axes[1, 1]))
    if _are_quarter_turned(axes):
        return Orientation(mirrored, 90 * round(angle / 90))
    numbers = " ".join(f"{number:.4g}" for number in axes.flat)
    return Orientation(mirrored, round(angle), f"no quarter turn ({numbers}): stored as it is")


def _are_quarter_turned(axes: Float[np.ndarray, "2 2"]) -> bool:
    """Whether one axis points left or right, and the other up or down."""
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    if not lengths.all():
        return False
    nearest = np.rint(axes / lengths)
    close = np.abs(axes / lengths - nearest).max() < _TOLERANCE
    return bool(close and abs(np.linalg.det(nearest)) == 1)
