import shutil
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest

from hdc.data.preparation.decode import decode_video
from hdc.data.preparation.orientation import Orientation

# The four numbers say where the axis to the right points, right and down, then the axis down.
SHOWN = {
    (1, 0, 0, 1): (lambda picture: picture, (False, 0)),
    (-1, 0, 0, 1): (np.fliplr, (True, 0)),
    (1, 0, 0, -1): (np.flipud, (True, 180)),
    (-1, 0, 0, -1): (lambda picture: picture[::-1, ::-1], (False, 180)),
    (0, -1, 1, 0): (lambda picture: np.rot90(picture, 1), (False, 90)),
    (0, 1, -1, 0): (lambda picture: np.rot90(picture, -1), (False, -90)),
    (0, 1, 1, 0): (lambda picture: picture.swapaxes(0, 1), (True, 90)),
    (0, -1, -1, 0): (lambda picture: picture[::-1, ::-1].swapaxes(0, 1), (True, -90)),
}

# Supplemental information of H.264: "display orientation" of 3 bytes, mirror from left to right.
MIRRORED_H264 = bytes.fromhex("00000001 06 2f03 400009 80")


@pytest.fixture
def decode(prepare_settings):
    return lambda path: decode_video(path, prepare_settings().decoding, short_side=48)


@pytest.fixture(scope="session")
def quarters():
    """Frames of four quarters, each of a gray of its own."""
    frames = np.full((6, 48, 64, 3), 20, np.uint8)
    frames[:, :24, :32], frames[:, :24, 32:], frames[:, 24:, :32] = 230, 160, 90
    return frames


def with_bytes(packet, content):
    changed = av.Packet(content)
    changed.stream, changed.pts, changed.dts = packet.stream, packet.pts, packet.dts
    changed.time_base, changed.is_keyframe = packet.time_base, packet.is_keyframe
    return changed


def plain(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("axes", SHOWN)
def test_frames_are_stored_as_the_matrix_shows_them(tmp_path, make_video, quarters, decode, axes):
    path = make_video(tmp_path / "a.mp4", quarters, axes=axes)
    show, expected = SHOWN[axes]
    video = decode(path)
    assert np.array_equal(video.frames, [show(picture) for picture in plain(path)])
    turned = video.orientation
    assert turned.mirrored == expected[0] and (turned.rotation - expected[1]) % 360 == 0
    assert turned.fault == "" and (video.width, video.height) == (64, 48)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg is not installed")
@pytest.mark.parametrize("axes", SHOWN)
def test_frames_are_stored_as_ffmpeg_shows_them(tmp_path, make_video, quarters, decode, axes):
    path = make_video(tmp_path / "a.mp4", quarters, axes=axes)
    words = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    shown = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    stored = decode(path).frames
    shown = np.frombuffer(shown, np.uint8).reshape(stored.shape)
    assert np.abs(stored - shown.astype(float)).mean() < 2  # another quarter is 70 away


def test_scale_and_a_hair_of_turn_say_nothing(tmp_path, make_video, quarters, decode):
    """As players see it, who turn by less than a degree as little as by none."""
    path = make_video(tmp_path / "a.mp4", quarters, axes=(0.01, -2, 1, 0.005))
    assert np.array_equal(decode(path).frames, [np.rot90(picture) for picture in plain(path)])


@pytest.mark.parametrize(
    ("axes", "mirrored", "rotation"),
    [
        ((0.866, 0.5, -0.5, 0.866), False, -30),
        ((-0.866, -0.5, -0.5, 0.866), True, -30),
        ((1, 0, 1, 0), False, 90),
    ],
)
def test_what_is_no_quarter_turn_is_stored_as_it_is(
    tmp_path, make_video, quarters, decode, axes, mirrored, rotation
):
    path = make_video(tmp_path / "a.mp4", quarters, axes=axes)
    video = decode(path)
    assert np.array_equal(video.frames, plain(path))
    numbers = " ".join(f"{number:g}" for number in axes)
    fault = f"no quarter turn ({numbers}): stored as it is"
    assert video.orientation == Orientation(mirrored, rotation, fault)


def test_a_matrix_that_changes_on_the_way_is_noted(tmp_path, quarters, decode):
    """As a stream may have it: a message on how to show the picture, from some frame on."""
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.options = {"g": "1", "bf": "0"}
        pictures = [av.VideoFrame.from_ndarray(picture, format="rgb24") for picture in quarters]
        packets = [packet for one in [*pictures, None] for packet in stream.encode(one)]
        for number, packet in enumerate(packets):
            said = MIRRORED_H264 if number >= 4 else b""
            container.mux(with_bytes(packet, said + bytes(packet)))
    video = decode(path)
    assert np.array_equal(video.frames, plain(path))
    assert video.orientation == Orientation(
        mirrored=False, rotation=0, fault="changes at frame 4: stored as the first"
    )
