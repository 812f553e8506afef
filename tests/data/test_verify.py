import hashlib

import numpy as np
import pytest

from hdc.data.verify import RejectedVideo, decode_video, stored_size


def decode(path, **changes):
    return decode_video(path, **({"short_side": 24, "frame_count_tolerance": 0} | changes))


def test_a_sound_file(tmp_path, make_video, moving_square):
    path = make_video(tmp_path / "a.mp4", moving_square(20), fps=10)
    video = decode(path)
    assert video.frames.shape == (20, 24, 32, 3)
    assert (video.width, video.height, video.fps, video.seconds) == (64, 48, 10.0, 2.0)
    assert video.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_frames_come_in_display_order(tmp_path, make_video, moving_square):
    """The square moves right by two pixels a frame; also where the codec reorders frames."""
    for name, codec in (("a.avi", "mpeg4"), ("b.mp4", "libx264")):
        frames = decode(make_video(tmp_path / name, moving_square(20), codec=codec)).frames
        place = [np.argmax(frame.mean(axis=(0, 2)) > frame.mean() + 5) for frame in frames]
        assert (np.diff(place) >= 0).all() and place[-1] > place[0] + 10


def truncated(tmp_path, make_video, moving_square, name):
    path = make_video(tmp_path / name, moving_square(60))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_rejects_a_truncated_mp4(tmp_path, make_video, moving_square):
    with pytest.raises(RejectedVideo, match="cannot be decoded: InvalidDataError"):
        decode(truncated(tmp_path, make_video, moving_square, "a.mp4"))


def test_rejects_a_truncated_avi(tmp_path, make_video, moving_square):
    with pytest.raises(RejectedVideo, match=r"truncated: the header claims 60 fr|cannot be dec"):
        decode(truncated(tmp_path, make_video, moving_square, "a.avi"))


def test_rejects_a_text_an_empty_and_a_missing_file(tmp_path):
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(RejectedVideo, match="cannot be decoded"):
        decode(tmp_path / "text.mp4")
    with pytest.raises(RejectedVideo, match="empty file"):
        decode(tmp_path / "empty.mp4")
    with pytest.raises(RejectedVideo, match="no such file"):
        decode(tmp_path / "missing.mp4")


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(320, 240, (171, 128)), (240, 320, (128, 171)), (128, 128, (128, 128)), (64, 48, (171, 128))],
)
def test_stored_size(width, height, expected):
    assert stored_size(width, height, short_side=128) == expected
