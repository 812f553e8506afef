"""What a video is to whoever stores it: frames, one after another, and facts."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import UInt8

from hdc.data.preparation.container import Header
from hdc.data.preparation.orientation import Orientation


@dataclass(frozen=True)
class SourceFrame:
    """A frame that is resized only if somebody looks at it."""

    stamp: float | int | None  # seconds, as the file says it; None: it does not
    make: Callable[[], UInt8[np.ndarray, "height width 3"]]

    @cached_property
    def image(self) -> UInt8[np.ndarray, "height width 3"]:
        """The frame at its stored size, as a player shows it."""
        return self.make()


class FrameSource(ABC):
    """A video, frame by frame, and what is known of it. Use it in a `with`.

    Entering it and iterating raise RejectedVideo with the reason, and MemoryError.
    """

    header: Header  # from entering on
    size: tuple[int, int]  # width and height of its frames before resizing and turning
    orientation: Orientation  # how its first frame is to be shown; both from the first frame on
    fps_varies: bool  # among the frames so far
    sha256: str  # of the content of all files that it is read from

    @abstractmethod
    def __enter__(self) -> "FrameSource": ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def frames(self) -> Iterator[SourceFrame]:
        """All frames, once, in the order in which they are shown; refused if some lack."""
