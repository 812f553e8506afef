"""What a backbone says of each of its levels."""

from typing import NamedTuple


class Level(NamedTuple):
    """A place in a network where features are taken."""

    channels: int
    time_stride: int  # frames of the clip from one time step to the next
    space_stride: int  # pixels of the clip from one place to the next


def time_steps(frames: int, time_stride: int) -> int:
    """How many time steps a clip leaves; frames that are left over make one more."""
    return -(-frames // time_stride)
