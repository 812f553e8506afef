import av
import numpy as np
import pytest

from hdc.data import h264


@pytest.fixture
def store(prepare_settings):
    return prepare_settings().store


def halved_color(frames):
    """What 4:2:0 alone leaves of frames, without any compression."""
    shown = [av.VideoFrame.from_ndarray(image, format="rgb24") for image in frames]
    return np.stack(
        [one.reformat(format="yuv420p").reformat(format="rgb24").to_ndarray() for one in shown]
    ).astype(int)


def moving(frames, height, width, seed=0):
    """A soft picture that moves; soft, because 4:2:0 halves the color's resolution."""
    random = np.random.default_rng(seed)
    small = random.integers(40, 216, (height // 8 + 2, width // 8 + 2, 3))
    picture = np.kron(small, np.ones((8, 8, 1)))[:height, :width]
    for axis in (0, 1):
        picture = sum(np.roll(picture, step, axis) for step in range(-4, 5)) / 9
    return np.stack([np.roll(picture, 2 * step, 1) for step in range(frames)]).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (58, 90), (32, 80)])
def test_gives_back_nearly_the_same_frames_of_any_size(store, height, width):
    frames = moving(21, height, width)
    packed = np.frombuffer(h264.pack(frames, store), np.uint8)
    numbers = np.arange(21)
    found = h264.unpack(packed, numbers, shape=frames.shape[:3], key_frame_every=8)
    assert found.shape == frames.shape and found.dtype == np.uint8
    assert np.abs(found - halved_color(frames)).mean() < 3
    # Each frame is nearer to its own than to its neighbors: none is shifted in time.
    for number in range(1, 20):
        errors = [np.abs(found[number].astype(int) - other).mean() for other in frames]
        assert np.argmin(errors) == number


def test_an_odd_size_keeps_its_last_row_and_column(store):
    frames = moving(9, 57, 33)
    packed = np.frombuffer(h264.pack(frames, store), np.uint8)
    found = h264.unpack(packed, np.arange(9), shape=frames.shape[:3], key_frame_every=8)
    assert found.shape == frames.shape
    for edge in (
        found[:, -1] - frames[:, -1].astype(int),
        found[:, :, -1] - frames[:, :, -1].astype(int),
    ):
        assert np.abs(edge).mean() < 8


def test_frames_by_number_are_those_of_the_whole(store):
    """Any order, repeats, across groups, from the middle of one; against decoding everything."""
    frames = moving(30, 32, 64)
    packed = np.frombuffer(h264.pack(frames, store), np.uint8)
    kwargs = {"shape": frames.shape[:3], "key_frame_every": 8}
    whole = h264.unpack(packed, np.arange(30), **kwargs)
    for numbers in ([29], [0], [7, 8], [28, 29, 0, 1, 0], [3, 20, 11], list(range(5, 21, 3))):
        assert np.array_equal(h264.unpack(packed, np.array(numbers), **kwargs), whole[numbers])


def test_any_h264_decoder_reads_the_packets(store):
    """Joined, the packets are a plain stream; a key frame stands at every eighth place."""
    frames = moving(20, 32, 64)
    packed = h264.pack(frames, store)
    stream = packed[4 * 20 :]
    decoder = av.CodecContext.create("h264", "r")
    found = [frame for packet in decoder.parse(stream) for frame in decoder.decode(packet)]
    found += [f for packet in decoder.parse(b"") for f in decoder.decode(packet)]
    found += decoder.decode(None)
    assert len(found) == 20
    assert [place for place, frame in enumerate(found) if frame.key_frame] == [0, 8, 16]


def test_the_same_bytes_each_time(store):
    """Also with other rubbish in the memory: sizes that are no multiple of 32 gave other bytes."""
    frames, random = moving(20, 40, 58), np.random.default_rng(0)
    found = set()
    for _ in range(20):
        rubbish = [random.integers(0, 256, 100_000, dtype=np.uint8) for _ in range(50)]
        del rubbish
        found.add(h264.pack(frames, store))
    assert len(found) == 1


def test_a_lower_rate_factor_is_closer_and_larger(prepare_settings):
    frames = moving(16, 64, 64)
    sizes, errors = [], []
    for factor in (10, 30):
        packed = h264.pack(frames, prepare_settings(store__rate_factor=factor).store)
        found = h264.unpack(
            np.frombuffer(packed, np.uint8),
            np.arange(16),
            shape=frames.shape[:3],
            key_frame_every=8,
        )
        sizes.append(len(packed))
        errors.append(np.abs(found.astype(int) - frames).mean())
    assert sizes[0] > sizes[1] and errors[0] < errors[1]
