"""Genuine files, where `HDC_REAL_DATA` names a folder that has them."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from hdc.data.preparation.container import RejectedVideo
from hdc.data.preparation.decode import decode_video
from hdc.data.preparation.folder import list_folder

REAL = Path(os.environ.get("HDC_REAL_DATA", ""))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not (REAL / "clips").is_dir(), reason="HDC_REAL_DATA names no folder with clips/"
    ),
]
CLIPS = sorted((REAL / "clips").rglob("*.*")) if "HDC_REAL_DATA" in os.environ else []


@pytest.fixture
def decode(prepare_settings):
    decoding = prepare_settings().decoding
    return lambda path: decode_video(path, decoding, short_side=48)


def video_width(frame):
    """At a height of 48, for frames that are wider than high."""
    return round(frame.width * 48 / frame.height)


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_every_genuine_clip_is_sound(path, decode):
    with av.open(str(path), metadata_errors="ignore") as container:
        plain = [
            frame.reformat(video_width(frame), 48, format="rgb24").to_ndarray()
            for frame in container.decode(video=0)
        ]
    video = decode(path)
    assert np.array_equal(video.frames, plain)  # all of them, in the decoder's order
    assert abs(video.header.claimed_frames - len(plain)) <= 1


def test_a_title_that_is_not_utf8_does_not_matter(decode):
    [path] = (REAL / "clips/hmdb51/cartwheel").iterdir()
    assert len(decode(path).frames) == 83


def test_a_truncated_avi_is_rejected(tmp_path, decode):
    """It decodes without an error; only the header's count tells."""
    path = REAL / "clips/ucf101/SoccerJuggling/v_SoccerJuggling_g23_c01.avi"
    whole = decode(path)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(path.read_bytes()[: int(0.7 * path.stat().st_size)])
    with pytest.raises(
        RejectedVideo, match=f"truncated: the header claims {len(whole.frames)} frames, "
    ):
        decode(cut)


def test_frames_are_in_display_order(decode):
    """Motion is smoother in decode order than in that of the permuted timestamps."""
    [path] = (REAL / "clips/hmdb51/cartwheel").iterdir()
    with av.open(str(path), metadata_errors="ignore") as container:
        stamps = [frame.pts for frame in container.decode(video=0)]
    assert stamps != sorted(stamps)  # the trap is there
    frames = decode(path).frames.astype(float)
    by_stamp = frames[np.argsort(stamps, kind="stable")]
    roughness = [np.abs(np.diff(clip, axis=0)).mean() for clip in (frames, by_stamp)]
    assert roughness[0] < roughness[1]


def test_the_weizmann_folder_is_what_its_settings_say(prepare_settings):
    listed = list_folder(REAL / "weizmann", prepare_settings().data.folder.pattern)
    assert len(listed) == 90
    assert listed.label.nunique() == 10 and listed.group.nunique() == 9
