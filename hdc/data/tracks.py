"""What is kept beside the frames of a prepared data set: optical flow.

A track is a store of its own in the folder `<prepared>/flow`, of the same videos in the same order
and form. A byte of `hdc.data.optical_flow` is a channel; as H.264 the two channels are pictures one
above the other.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from hdc.data.remedy import compute_again
from hdc.data.store import MANIFEST, RAW, ClipStore
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.input_names import FLOW, tracks_of
from hdc.settings.data import Store


def track_folder(prepared: str | Path, track: str) -> Path:
    """Where a track of a prepared data set lies."""
    return Path(prepared) / track


class FlowTrack(ClipStore):
    """Random access to the optical flow of the videos of a prepared data set."""

    channels = 2

    def __init__(self, prepared: str | Path, videos: Sequence[str] | None = None) -> None:
        """Open it; raises InputError if it is missing, damaged or of other frames than these."""
        folder = track_folder(prepared, FLOW)
        again = compute_again(prepared)
        if not (folder / MANIFEST).is_file():
            raise InputError(f"{folder / MANIFEST}: expected optical flow, found none; {again}")
        super().__init__(folder, videos)
        if self.manifest.get("of") != digest((Path(prepared) / MANIFEST).read_bytes()):
            raise InputError(
                f"{folder / MANIFEST}: expected the optical flow of these frames, found that of "
                f"others; {again}"
            )

    def read(
        self,
        row: int,
        numbers: Int[np.ndarray, " clip"],
        into: UInt8[np.ndarray, "clip height width 2"],
    ) -> None:
        """Copy the motion between shown frames to the upper left of what may be larger."""
        import torch  # late: not every process that opens a store needs it

        from hdc.data.flow_bytes import earlier, flow_shown

        order = torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.int64))
        stored = self._stored(row, earlier(order).numpy())
        _, height, width = self.shape(row)
        into[:, :height, :width] = flow_shown(torch.from_numpy(stored), order).numpy()

    def _stored(
        self, row: int, numbers: Int[np.ndarray, " clip"]
    ) -> UInt8[np.ndarray, "time height width 2"]:
        """The motion from frames to their next ones, as it is stored."""
        time, height, width = shape = self.shape(row)
        if self.manifest["form"] == RAW:
            return self._bytes(row).view(np.ndarray).reshape(*shape, 2)[numbers]
        from hdc.data.h264 import unpack

        every, tall = self.manifest["key_frame_every"], (time, 2 * height, width)
        pictures = unpack(self._bytes(row), numbers, shape=tall, key_frame_every=every)[..., 0]
        return pictures.reshape(-1, 2, height, width).transpose(0, 2, 3, 1)


def packed_flow(flow: UInt8[np.ndarray, "time height width 2"], form: str, store: Store) -> bytes:
    """The bytes of a video's optical flow in a store of that form."""
    if form == RAW:
        return flow.tobytes()
    from hdc.data.h264 import pack

    pictures = flow.transpose(0, 3, 1, 2).reshape(len(flow), -1, flow.shape[2])
    return pack(np.repeat(pictures[..., None], 3, axis=3), store)


def opened(prepared: str | Path, name: str, videos: Sequence[str]) -> ClipStore:
    """What an input of that name is read from: the frames of these videos, or a track of them."""
    return FlowTrack(prepared, videos) if tracks_of([name]) else ClipStore(prepared, videos)
