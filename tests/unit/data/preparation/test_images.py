"""Folders of images as videos: every image decodes in full, in the order of the numbers."""

import hashlib
import io
import os
import shutil

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from hdc.data.preparation.container import RejectedVideo
from hdc.data.preparation.images import FolderOfImages, decode_images
from hdc.data.preparation.packing import Cut
from hdc.data.preparation.sandbox import Decoder
from hdc.data.preparation.source_files import image_number, sha256_of, size_and_time, still
from hdc.settings.data import Images

IMAGES = Images(frames_per_second=12.0)


@pytest.fixture
def folder(tmp_path, moving_square):
    """Twelve PNG images, whose names sort otherwise than their numbers."""
    path = tmp_path / "folder"
    write(path, moving_square(12, height=32, width=40))
    return path


def write(path, frames, name="frame_{}.png", first=1, **options):
    path.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, start=first):
        Image.fromarray(frame).save(path / name.format(number), **options)


def blocks(count):
    """Pictures of 32 x 40 pixels in even blocks of eight."""
    colors = np.random.default_rng(0).integers(0, 256, (count, 4, 5, 3), np.uint8)
    return np.kron(colors, np.ones((1, 8, 8, 1), np.uint8))


@pytest.fixture
def decode(prepare_settings):
    def run(path, **changes):
        return decode_images(path, prepare_settings(**changes).decoding, IMAGES, short_side=32)

    return run


def test_frames_of_png_are_those_that_were_written(folder, decode, moving_square):
    video = decode(folder)
    assert np.array_equal(video.frames, moving_square(12, height=32, width=40))
    header = video.header
    assert (video.width, video.height) == (40, 32) and not video.fps_varies
    assert (header.container, header.codec, header.fps) == ("images", "png", 12.0)
    assert header.claimed_frames == 12 and header.claimed_seconds == 1.0


def test_frames_of_jpeg_are_as_pillow_decodes_them(tmp_path, decode):
    """At full color resolution: how colors are spread over pixels differs between decoders."""
    write(tmp_path, blocks(3), "{:05d}.JPG", quality=95, subsampling=0)
    video = decode(tmp_path)
    pillow = [np.asarray(Image.open(path)) for path in sorted(tmp_path.iterdir())]
    assert video.header.codec == "mjpeg"
    assert np.abs(video.frames.astype(int) - np.stack(pillow)).max() <= 3


def test_other_files_are_no_frames(folder, decode):
    for name in ("notes.txt", ".hidden_99.png", "Thumbs.db"):
        (folder / name).write_text("no image")
    assert len(decode(folder).frames) == 12


def test_gaps_show_in_the_claimed_frames(folder, decode):
    (folder / "frame_5.png").unlink()
    video = decode(folder)
    assert (len(video.frames), video.header.claimed_frames) == (11, 12)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("00012.jpg", 12),
        ("frame-7.PNG", 7),
        ("v_g02_c03_0009.jpeg", 9),
        ("a2b.jpg", 2),
        ("a.jpg", -1),
    ],
)
def test_the_number_is_the_last_in_the_name(name, number):
    assert image_number(name) == number


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def other_size(path):
    Image.new("RGB", (40, 34)).save(path)


def bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (cut, r"(cannot be decoded|damaged)"),
        (bit, r"(cannot be decoded|damaged)"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: path.write_text("text"), "expected a JPEG or PNG image, found another"),
        (other_size, "expected 40 x 32 pixels, as of the first image, found 40 x 34"),
    ],
)
def test_a_folder_with_one_bad_image_is_refused_with_its_name(folder, decode, harm, reason):
    harm(folder / "frame_4.png")
    with pytest.raises(RejectedVideo, match=rf"^frame_4\.png: {reason}") as verdict:
        decode(folder)
    assert "\n" not in str(verdict.value)


def test_an_image_without_a_number_and_two_with_one(folder, decode):
    shutil.copy(folder / "frame_4.png", folder / "b04.png")
    with pytest.raises(RejectedVideo, match=r"of each number, found b04\.png and frame_4\.png"):
        decode(folder)
    (folder / "b04.png").rename(folder / "cover.png")
    with pytest.raises(RejectedVideo, match=r"cover\.png: expected an image with a number"):
        decode(folder)


@pytest.mark.parametrize("progressive", [False, True])
def test_no_jpeg_that_is_cut_short_passes(tmp_path, decode, progressive):
    """Wherever it is cut; FFmpeg alone lets last bytes go, and of a progressive one whole scans."""
    [picture] = blocks(1)
    write(tmp_path, [picture], "1.jpg", quality=90, progressive=progressive)
    path = tmp_path / "1.jpg"
    content = path.read_bytes()
    for size in [*range(1, len(content), 7), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(RejectedVideo, match=r"1\.jpg"):
            decode(tmp_path)


def test_no_image_at_all(tmp_path, decode):
    with pytest.raises(RejectedVideo, match="no image"):
        decode(tmp_path)


@pytest.mark.parametrize("number", range(1, 9))
def test_images_are_stored_as_exif_shows_them(tmp_path, decode, number):
    [picture] = blocks(1)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = number
    write(tmp_path, [picture] * 2, "{}.png", exif=exif)
    video = decode(tmp_path)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "1.png")))
    assert np.array_equal(video.frames[1], expected) and not video.orientation.fault


def test_exif_that_changes_on_the_way_is_told(tmp_path, decode, moving_square):
    write(tmp_path, moving_square(2, height=32, width=40), "{}.png")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    write(tmp_path, moving_square(2, height=32, width=40), "{}.png", first=3, exif=exif)
    video = decode(tmp_path)
    assert video.orientation.fault == "changes at frame 2: stored as the first"
    assert np.array_equal(video.frames[:2], video.frames[2:])


def test_too_many_pixels(folder, decode):
    with pytest.raises(RejectedVideo, match=r"frame_1\.png: cannot be decoded"):
        decode(folder, decoding__frame_pixels=1000)


def test_the_checksum_is_of_all_images_in_their_order(folder, decode):
    lines = "".join(
        hashlib.sha256((folder / f"frame_{number}.png").read_bytes()).hexdigest() + "\n"
        for number in range(1, 13)
    )
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert decode(folder).sha256 == sha256_of(str(folder)) == expected


def test_changes_of_any_image_are_noticed(folder):
    def source():
        size, modified = size_and_time(str(folder))
        return {"bytes": size, "modified": modified, "sha256": sha256_of(str(folder))}

    before = source()
    assert before["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    os.utime(folder / "frame_3.png", (0, 0))
    after = still(before, str(folder))
    assert after is not None and after["modified"] != before["modified"]
    content = bytearray((folder / "frame_3.png").read_bytes())
    content[-1] ^= 1
    (folder / "frame_3.png").write_bytes(content)
    assert still(before, str(folder)) is None
    content[-1] ^= 1
    (folder / "frame_3.png").write_bytes(content)
    assert still(before, str(folder)) is not None
    (folder / "frame_3.png").rename(folder / "frame_99.png")  # another order
    assert still(before, str(folder)) is None


def test_a_child_decodes_them(folder, prepare_settings, decode):
    settings = prepare_settings(store__short_side=32)
    with FolderOfImages(folder, settings.decoding, IMAGES, short_side=32) as source:
        header = source.header
    with Decoder(settings.decoding, settings.store, "raw", IMAGES) as decoder:
        assert decoder.header(folder) == header
        packed = decoder.pack(folder)
        [piece] = packed.pieces
        assert b"".join(packed.parts(piece)) == decode(folder).frames.tobytes()
        assert piece.facts["fps"] == 12.0 and piece.facts["seconds"] == 1.0
        assert packed.sha256 == sha256_of(str(folder))
        [start] = decoder.pack(folder, Cut(spans=[(0.25, 0.5)])).pieces
        assert start.shape == (3, 32, 40)
        bit(folder / "frame_2.png")
        with pytest.raises(RejectedVideo, match=r"frame_2\.png"):
            decoder.pack(folder)


def test_another_kind_that_is_called_png(tmp_path, decode):
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, "GIF")
    (tmp_path / "1.png").write_bytes(target.getvalue())
    with pytest.raises(RejectedVideo, match=r"1\.png: expected a JPEG or PNG image"):
        decode(tmp_path)
