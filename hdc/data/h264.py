"""A video as H.264 that is quick to enter anywhere: short groups of pictures, no container.

Packed form: the size of each packet as uint32, little-endian, one packet a frame, then the packets
in the order of frames. No frame refers to a later one or to one before its group's key frame, so a
frame needs the packets from the last multiple of the group's length on. Edges are repeated up to a
multiple of 32 pixels, at least 64: any height and width fits, and past the edges of other sizes
x264 reads memory that differs from run to run.
"""

from collections.abc import Iterable, Iterator

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Int, UInt8

from hdc.settings.data import Store

_SIZE = np.dtype("<u4")
_MULTIPLE, _LEAST = 32, 64  # pixels


class Packer:
    """Encodes a video frame by frame; the same frames give the same bytes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.encoder: av.VideoCodecContext | None = None
        self.sizes: list[int] = []

    def add(self, frame: UInt8[np.ndarray, "height width 3"]) -> bytes:
        """The packets that are ready after another frame."""
        height, width = frame.shape[:2]
        if self.encoder is None:
            sides = [max(_LEAST, side + -side % _MULTIPLE) for side in (height, width)]
            self.padded = np.empty((*sides, 3), np.uint8)
            self.encoder = _encoder(*sides, self.store)
        self.padded[:height, :width] = frame
        self.padded[height:, :width] = frame[-1]
        self.padded[:, width:] = self.padded[:, width - 1 : width]
        shown = av.VideoFrame.from_ndarray(self.padded, format="rgb24")  # a copy
        return self._noted(self.encoder.encode(shown))

    def finish(self) -> tuple[bytes, bytes]:
        """What stands before the packets, and the last of them."""
        rest = self._noted(self.encoder.encode(None)) if self.encoder is not None else b""
        return np.array(self.sizes, dtype=_SIZE).tobytes(), rest

    def _noted(self, packets: Iterable[av.Packet]) -> bytes:
        contents = [bytes(packet) for packet in packets]
        self.sizes += map(len, contents)
        return b"".join(contents)


def _encoder(height: int, width: int, store: Store) -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.thread_count = 25, 1  # its time stamps are not read
    every = store.key_frame_every
    parameters = f"keyint={every}:min-keyint={every}:scenecut=0:bframes=0:open-gop=0:threads=1"
    encoder.options = {
        "preset": "veryfast",
        "crf": str(store.rate_factor),
        "x264-params": parameters,
    }
    return encoder


def pack(frames: UInt8[np.ndarray, "time height width 3"], store: Store) -> bytes:
    """A whole video in its packed form."""
    packer = Packer(store)
    packets = [packer.add(frame) for frame in frames]
    sizes, rest = packer.finish()
    return b"".join([sizes, *packets, rest])


def unpack(
    packed: UInt8[np.ndarray, " bytes"],
    numbers: Int[np.ndarray, " clip"],
    *,
    shape: tuple[int, int, int],
    key_frame_every: int,
) -> UInt8[np.ndarray, "clip height width 3"]:
    """Frames by number, in any order, of a packed video of `shape` (time, height, width)."""
    total, height, width = shape
    header = total * _SIZE.itemsize
    ends = header + np.cumsum(packed[:header].view(_SIZE), dtype=np.int64)
    starts = np.concatenate([[header], ends[:-1]])
    wanted = np.unique(numbers)
    needed = list(_needed(wanted, key_frame_every))
    packets = (packed[starts[number] : ends[number]] for number in needed)
    images = dict.fromkeys(wanted.tolist())
    reformatter = VideoReformatter()
    for number, frame in zip(needed, _decoded(packets), strict=True):
        if number in images:
            image = reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
            images[number] = image[:height, :width]
    return np.stack([images[number] for number in numbers.tolist()])


def _needed(wanted: Int[np.ndarray, " frame"], every: int) -> Iterator[int]:
    """The frames to decode for the wanted ones: of each group up to the last that is wanted."""
    for group in np.unique(wanted // every):
        last = wanted[wanted // every == group].max()
        yield from range(int(group) * every, int(last) + 1)


def _decoded(packets: Iterable[UInt8[np.ndarray, " bytes"]]) -> Iterator[av.VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    for packet in packets:
        yield from decoder.decode(av.Packet(packet.tobytes()))
    yield from decoder.decode(None)
