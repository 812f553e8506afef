"""The inputs that have short names, told without torch: planning a study asks for them."""

from collections.abc import Iterable

RGB, DIFFERENCE, FLOW = "rgb", "difference", "flow"
NAMED = (RGB, DIFFERENCE, FLOW)
TRACKS = (FLOW,)  # kept beside the frames, in a folder of that name


def tracks_of(inputs: Iterable[str]) -> list[str]:
    """What is read from beside the frames for some inputs."""
    return [track for track in TRACKS if track in set(inputs)]
