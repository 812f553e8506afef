import hashlib
import shutil

import av
import numpy as np
import pytest

from hdc.data.preparation.container import RejectedVideo, read_header
from hdc.data.preparation.decode import decode_video, stored_size


@pytest.fixture
def decode(prepare_settings):
    def run(path, **changes):
        strict = {"decoding__other_containers": [], "decoding__other_codecs": []}
        changes = strict | {"decoding__frame_count_tolerance": 0} | changes
        return decode_video(path, prepare_settings(**changes).decoding, short_side=24)

    return run


def test_a_sound_file(tmp_path, make_video, moving_square, decode):
    path = make_video(tmp_path / "a.mp4", moving_square(20), fps=10)
    video = decode(path)
    assert video.frames.shape == (20, 24, 32, 3)
    assert (video.width, video.height, video.fps_varies) == (64, 48, False)
    assert (video.header.fps, video.header.claimed_seconds) == (10.0, 2.0)
    assert (video.header.codec, video.header.claimed_frames) == ("mpeg4", 20)
    assert video.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_frames_equal_those_of_a_plain_decode(tmp_path, make_video, moving_square, decode):
    path = make_video(tmp_path / "a.avi", moving_square(20))
    with av.open(str(path)) as container:
        plain = [
            frame.reformat(32, 24, format="rgb24").to_ndarray()
            for frame in container.decode(video=0)
        ]
    assert np.array_equal(decode(path).frames, plain)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "mpeg4"), ("b.avi", "libx264"), ("c.mp4", "libx264")]
)
def test_frames_come_in_display_order(tmp_path, make_video, moving_square, decode, name, codec):
    """The square moves right by two pixels a frame; also where B-frames reorder the packets."""
    path = make_video(tmp_path / name, moving_square(20), codec=codec, b_frames=2)
    frames = decode(path).frames
    place = [np.argmax(frame.mean(axis=(0, 2)) > frame.mean() + 5) for frame in frames]
    assert (np.diff(place) >= 0).all() and place[-1] > place[0] + 10


def test_avi_with_b_frames_has_permuted_timestamps(tmp_path, make_video, moving_square):
    """The trap that decode order avoids; if this fails, the test above proves nothing."""
    path = make_video(tmp_path / "a.avi", moving_square(20), codec="libx264", b_frames=2)
    with av.open(str(path)) as container:
        stamps = [frame.pts for frame in container.decode(video=0)]
    assert stamps != sorted(stamps)


def test_rejects_a_truncated_mp4(tmp_path, make_video, moving_square, decode):
    path = make_video(tmp_path / "a.mp4", moving_square(60))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RejectedVideo, match="InvalidDataError"):
        decode(path)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "mpeg4"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9")]
)
def test_rejects_a_file_that_was_cut_anywhere(
    tmp_path, make_video, moving_square, decode, name, codec
):
    """Matroska decodes what is left without an error, and its header counts no frames."""
    whole = make_video(tmp_path / name, moving_square(60), codec=codec).read_bytes()
    reasons = set()
    for share in np.linspace(0.05, 0.95, 20):
        (tmp_path / f"cut_{name}").write_bytes(whole[: int(share * len(whole))])
        try:
            video = decode(tmp_path / f"cut_{name}", decoding__frame_count_tolerance=2)
        except RejectedVideo as rejection:
            reasons.add(str(rejection).split(":")[0])
        else:
            assert len(video.frames) >= 58  # only the index, or less than the tolerance, is gone
    assert "truncated" in reasons


def test_frames_that_the_file_says_to_skip_are_not_missing(
    tmp_path, make_video, moving_square, decode
):
    """An AVI whose capture dropped frames: empty chunks, which the header counts."""
    stamps = [number + 10 * (number > 20) for number in range(40)]
    path = make_video(tmp_path / "a.avi", moving_square(40), stamps=stamps)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 50
    assert len(decode(path).frames) == 40


def test_frames_that_an_edit_list_cuts_off_are_not_missing(
    tmp_path, make_video, moving_square, decode
):
    """As after cutting without encoding again: decoding starts at the key frame before the cut."""
    path, cut = (
        make_video(tmp_path / "a.mp4", moving_square(40), codec="libx264"),
        tmp_path / "b.mp4",
    )
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(path)) as source, av.open(str(cut), "w", container_options=options) as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                shift = int(15 / (25 * stream.time_base))
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                target.mux(packet)
    with av.open(str(cut)) as container:
        assert container.streams.video[0].frames == 40
    assert len(decode(cut).frames) == 25


def test_a_cover_picture_is_not_the_video(tmp_path, moving_square, decode):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for packet in (*cover.encode(picture), *cover.encode(None)):
            container.mux(packet)
        for image in moving_square(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    assert len(decode(path).frames) == 20


def test_the_header_may_claim_a_frame_or_two_more(tmp_path, make_video, moving_square, decode):
    """As genuine files do: the count in the AVI's stream header is raised by hand."""
    path = make_video(tmp_path / "a.avi", moving_square(20))
    content = bytearray(path.read_bytes())
    for header, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        place = content.find(header) + offset
        assert int.from_bytes(content[place : place + 4], "little") == 20
        content[place : place + 4] = (22).to_bytes(4, "little")
    path.write_bytes(content)
    assert len(decode(path, decoding__frame_count_tolerance=2).frames) == 20
    with pytest.raises(RejectedVideo, match="the header claims 22 frames, 20 decode"):
        decode(path, decoding__frame_count_tolerance=1)


def test_rejects_what_is_no_video(tmp_path, make_video, moving_square, decode):
    for name in ("text.mp4", "text"):
        (tmp_path / name).write_text("no video at all\n" * 100)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    with av.open(str(tmp_path / "audio.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    for name, reason in (
        ("text.mp4", "cannot be opened as avi,mov,matroska: InvalidDataError: "),
        ("text", "as avi,mov,matroska: no container that FFmpeg knows, so no setting allows it"),
        ("empty.mp4", "empty file"),
        ("missing.mp4", "no such file"),
        ("folder.mp4", "no such file"),
        ("audio.mp4", "no video stream"),
    ):
        with pytest.raises(RejectedVideo, match=reason):
            decode(tmp_path / name)


def test_only_containers_and_codecs_that_the_data_need(
    tmp_path, make_video, moving_square, decode, prepare_settings
):
    path = make_video(tmp_path / "a.mp4", moving_square(5))
    with pytest.raises(RejectedVideo, match="expected a container of avi, found mov, QuickTime"):
        decode(path, decoding__containers=["avi"])
    with pytest.raises(RejectedVideo, match="expected a codec of h264, found mpeg4"):
        decode(path, decoding__codecs=["h264"])
    shutil.copy(path, tmp_path / "named_wrong.avi")  # the content counts, not the name
    assert len(decode(tmp_path / "named_wrong.avi").frames) == 5
    assert read_header(path, prepare_settings().decoding).codec == "mpeg4"


@pytest.mark.parametrize(
    ("name", "codec", "container", "found"),
    [
        ("a.gif", "gif", "gif", "gif"),
        ("a.wmv", "wmv2", "asf", "wmv2"),
        ("a.flv", "flv", "flv", "flv1"),
        ("a.mpg", "mpeg2video", "mpeg", ""),
        ("a.ts", "mpeg2video", "mpegts", ""),
        ("a.ogv", "libvpx", "ogg", ""),
    ],
)
def test_a_refusal_names_the_setting_that_allows_the_file(
    tmp_path, make_video, moving_square, decode, name, codec, container, found
):
    pixels = "rgb8" if codec == "gif" else "yuv420p"
    path = make_video(tmp_path / name, moving_square(20), codec=codec, pixels=pixels)
    reason = f"of avi, mov, matroska, found {container}, .*: to allow it, add {container} to deco"
    with pytest.raises(RejectedVideo, match=f"^expected a container {reason}ding.containers$"):
        decode(path)
    allowed = {"decoding__containers": ["avi", container]}
    if found:
        with pytest.raises(RejectedVideo, match=f"to allow it, add {found} to decoding.codecs$"):
            decode(path, **allowed)
        allowed["decoding__codecs"] = ["h264", found]
    assert len(decode(path, **allowed).frames) == 20


def test_frames_larger_than_allowed(tmp_path, make_video, moving_square, decode):
    path = make_video(tmp_path / "a.mp4", moving_square(5))
    with pytest.raises(RejectedVideo):
        decode(path, decoding__frame_pixels=1000)


def test_a_frame_rate_that_varies_is_noted(tmp_path, make_video, moving_square, decode):
    stamps = [0, 1, 2, 3, 10, 11, 12, 20]
    path = make_video(tmp_path / "a.mp4", moving_square(8), stamps=stamps)
    assert decode(path).fps_varies


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(320, 240, (171, 128)), (240, 320, (128, 171)), (128, 128, (128, 128)), (64, 48, (171, 128))],
)
def test_stored_size(width, height, expected):
    assert stored_size(width, height, short_side=128) == expected
