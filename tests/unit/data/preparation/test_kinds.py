"""What phones, labs and the web write: taken of a folder, or refused by name, in full.

Made by PyAV, or by the `ffmpeg` command where PyAV lacks the encoder; each frame is compared with
that of a plain decode.
"""

import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from hdc.data.preparation.container import RejectedVideo
from hdc.data.preparation.source_choice import frame_source

COUNT = 8
TOLD, UNTOLD = True, False
SIZES = {"dvvideo": (48, 72, 10), "h263": (48, 64, 2)}  # and how many times as large as that
PIXELS = {
    "dvvideo": "yuv411p", "png": "rgb24", "prores_ks": "yuv422p10le", "huffyuv": "yuv422p",
    "utvideo": "yuv422p", "gif": "rgb8", "mjpeg": "yuvj420p", "qtrle": "rgb24",
    "magicyuv": "gbrp", "cinepak": "rgb24", "zmbv": "bgr0",
    "uncompressed.avi": "bgr24", "uncompressed.mov": "uyvy422",
}  # fmt: skip
TAKEN = [  # name, encoder, the muxer if not by the name, whether a truncated one is told
    ("divx.avi", "mpeg4", None, TOLD),
    ("mp42.avi", "msmpeg4v2", None, TOLD),
    ("mp43.avi", "msmpeg4", None, TOLD),
    ("uncompressed.avi", "rawvideo", None, TOLD),
    ("dv.avi", "dvvideo", None, TOLD),
    ("huffyuv.avi", "huffyuv", None, TOLD),
    ("ffvhuff.avi", "ffvhuff", None, TOLD),
    ("utvideo.avi", "utvideo", None, TOLD),
    ("png.avi", "png", None, TOLD),
    ("mjpeg.avi", "mjpeg", None, TOLD),
    ("ffv1.avi", "ffv1", None, TOLD),
    ("h264.avi", "libx264", None, TOLD),
    ("wmv2.avi", "wmv2", None, TOLD),
    ("prores.mov", "prores_ks", None, TOLD),
    ("png.mov", "png", None, TOLD),
    ("uncompressed.mov", "rawvideo", None, TOLD),
    ("dv.mov", "dvvideo", None, TOLD),
    ("mjpeg.mov", "mjpeg", None, TOLD),
    ("phone.mp4", "libx265", None, TOLD),
    ("mpeg4.mp4", "mpeg4", None, TOLD),
    ("old_phone.3gp", "h263", None, TOLD),
    ("prores.mkv", "prores_ks", None, TOLD),
    ("mpeg2.mkv", "mpeg2video", None, TOLD),
    ("web.webm", "libvpx", None, TOLD),
    ("wmv1.wmv", "wmv1", "asf", UNTOLD),
    ("wmv2.wmv", "wmv2", "asf", UNTOLD),
    ("mp43.asf", "msmpeg4", "asf", UNTOLD),
    ("flv1.flv", "flv", None, UNTOLD),
    ("h264.flv", "libx264", None, UNTOLD),
    ("mpeg1.mpg", "mpeg1video", "mpeg", UNTOLD),
    ("mpeg2.mpg", "mpeg2video", "mpeg", UNTOLD),
    ("dvd.vob", "mpeg2video", "vob", UNTOLD),
    ("mpeg2.ts", "mpeg2video", "mpegts", UNTOLD),
    ("camcorder.mts", "libx264", "mpegts", UNTOLD),
    ("theora.ogv", "libtheora", "ogg", UNTOLD),
    ("vp8.ogg", "libvpx", "ogg", UNTOLD),
    ("gif.gif", "gif", None, UNTOLD),
    ("recorder.h264", "libx264", "h264", UNTOLD),
    ("recorder.hevc", "libx265", "hevc", UNTOLD),
    ("tape.dv", "dvvideo", "dv", UNTOLD),
    ("no_duration.mkv", "libx264", "live", UNTOLD),
]
REFUSED = [
    ("tape.mxf", "mpeg2video", "mxf", "found mxf, .*, add mxf to decoding.containers$"),
    ("file.nut", "mpeg4", "nut", "found nut, .*, add nut to decoding.containers$"),
    ("rle.mov", "qtrle", None, "expected a codec of .*, found qtrle: .* decoding.codecs$"),
    ("cinepak.avi", "cinepak", None, "expected a codec of .*, found cinepak: "),
    ("magicyuv.avi", "magicyuv", None, "expected a codec of .*, found magicyuv: "),
    ("zip.avi", "zmbv", None, "expected a codec of .*, found zmbv: "),
]


@pytest.fixture
def make(tmp_path, moving_square):
    """Write a file of a kind; skips where nothing here can."""

    def write(name, encoder, muxer):
        path = tmp_path / name
        height, width, times = SIZES.get(encoder, (48, 64, 1))
        frames = moving_square(COUNT, height=height, width=width)
        frames = frames.repeat(times, axis=1).repeat(times, axis=2)
        try:
            av.Codec(encoder, "w")
        except ValueError:  # no such encoder
            return by_command(path, encoder, frames)
        options = {"live": "1"} if muxer == "live" else {}
        muxer = "matroska" if muxer == "live" else muxer
        rate = Fraction(30000, 1001) if encoder == "dvvideo" else 25
        with av.open(str(path), "w", format=muxer, container_options=options) as container:
            stream = container.add_stream(encoder, rate=rate)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = PIXELS.get(name) or PIXELS.get(encoder, "yuv420p")
            stream.codec_context.thread_count = 1
            stream.bit_rate = 1_000_000
            if encoder == "libx264":
                stream.options = {"bf": "2"}
            if encoder == "libx265":
                stream.options = {"x265-params": "log-level=none:bframes=2:pools=none"}
            for image in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return write


def by_command(path, encoder, frames):
    """The same by FFmpeg's own program."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip(f"neither PyAV nor an ffmpeg command here encodes {encoder}")
    height, width = frames.shape[1:3]
    words = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r 25 -i - -c:v {encoder}"
    words = [program, "-v", "error", *words.split(), "-pix_fmt", "yuv420p", str(path)]
    done = subprocess.run(words, input=frames.tobytes(), capture_output=True)
    if done.returncode:
        pytest.skip(f"the ffmpeg command here does not encode {encoder}: {done.stderr[-80:]}")
    return path


def read(path, decoding):
    """All frames, and the source when all are read."""
    with frame_source(path, decoding, short_side=48) as source:
        frames = [frame.image for frame in source.frames()]
    return np.stack(frames), source


@pytest.mark.parametrize(("name", "encoder", "muxer", "told"), TAKEN, ids=[k[0] for k in TAKEN])
def test_a_kind_is_taken_with_every_frame(make, prepare_settings, name, encoder, muxer, told):
    path, decoding = make(name, encoder, muxer), prepare_settings().decoding
    frames, source = read(path, decoding)
    height, width = frames.shape[1:3]
    with av.open(str(path)) as container:
        plain = np.stack(
            [
                frame.reformat(width, height, format="rgb24").to_ndarray()
                for frame in container.decode(video=0)
            ]
        )
    assert frames.shape == plain.shape and len(frames) == COUNT
    assert np.abs(frames.astype(int) - plain).mean() < 2.5
    assert source.header.truncation_told == told
    place = [np.argmax(frame.mean(axis=(0, 2)) > frame.mean() + 5) for frame in frames]
    assert place == sorted(place) and place[-1] > place[0]  # the square moves right
    assert source.header.fps == pytest.approx(30000 / 1001 if encoder == "dvvideo" else 25)
    with pytest.raises(RejectedVideo, match=r"^expected a co"):  # as of an official data set
        read(path, replace(decoding, containers=["mxf"], other_containers=[], other_codecs=[]))


@pytest.mark.parametrize(
    ("name", "encoder", "muxer", "reason"), REFUSED, ids=[k[0] for k in REFUSED]
)
def test_another_kind_is_refused_by_name(make, prepare_settings, name, encoder, muxer, reason):
    with pytest.raises(RejectedVideo, match=reason):
        read(make(name, encoder, muxer), prepare_settings().decoding)


@pytest.fixture
def webp(tmp_path, moving_square):
    frames = moving_square(COUNT)
    first, *others = (Image.fromarray(frame) for frame in frames)
    path = tmp_path / "animated.webp"
    times = [40, 40, 80, 40, 40, 40, 40, 120]
    first.save(path, save_all=True, append_images=others, duration=times, lossless=True)
    return path, frames


def test_an_animated_webp_is_taken_with_every_frame(webp, prepare_settings):
    path, made = webp
    frames, source = read(path, prepare_settings().decoding)
    assert np.array_equal(frames, made)
    assert source.fps_varies and source.header.fps == pytest.approx(COUNT / 0.44)
    with frame_source(path, prepare_settings().decoding, short_side=48) as source:
        stamps = [frame.stamp for frame in source.frames()]
    assert stamps == pytest.approx([0, 0.04, 0.08, 0.16, 0.20, 0.24, 0.28, 0.32])


def test_a_webp_that_is_cut_still_or_not_allowed_is_refused(webp, prepare_settings, tmp_path):
    path, made = webp
    decoding = prepare_settings().decoding
    whole = path.read_bytes()
    for size in (20, len(whole) // 2, len(whole) - 2):
        (tmp_path / "cut.webp").write_bytes(whole[:size])
        with pytest.raises(RejectedVideo, match=f"^truncated: .*{len(whole)} bytes, found {size}$"):
            read(tmp_path / "cut.webp", decoding)
    Image.fromarray(made[0]).save(tmp_path / "still.webp")
    with pytest.raises(RejectedVideo, match=r"^a still picture, not a video$"):
        read(tmp_path / "still.webp", decoding)
    with pytest.raises(RejectedVideo, match=r"^expected a container of avi.*add webp to"):
        read(path, replace(decoding, other_containers=[]))
    with pytest.raises(RejectedVideo, match=r"^expected at most 1000 pixels .*, found 64 x 48"):
        read(path, replace(decoding, frame_pixels=1000))
    damaged = bytearray(whole)
    damaged[len(whole) // 2 :] = bytes(len(whole) - len(whole) // 2)
    path.write_bytes(damaged)
    with pytest.raises(RejectedVideo):
        frames, _ = read(path, decoding)
        assert len(frames) < COUNT, "damage that nobody sees"
