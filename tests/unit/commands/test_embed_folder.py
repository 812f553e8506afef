"""`hdc embed`: from any folder of videos to a file of vectors, without a study."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

import hdc
from hdc.commands.embed_folder import FolderJob, embed_folder, in_parts
from hdc.commands.folder_parts import Part
from hdc.data.temporal_crops import clip_frames, even_starts
from hdc.encoders.build import build_encoder, write_encoder
from hdc.runtime.errors import InputError

BUILD = {"_target_": "hdc.backbones.resnet3d.r3d18", "width": 0.0625}
CLIP = {"frames": 8, "stride": 2, "pixels": 32}
SIZES = {"clips": 2, "crop": 0.5}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("encoder"))


def planted(folder, *, sees="rgb", **facts):
    """A whole encoder that was trained on nothing."""
    path = folder / "encoder.safetensors"
    network = build_encoder(BUILD, seed=0, sees=sees)
    write_encoder(path, network, {"build": BUILD, "sees": sees, "clip": CLIP} | facts)
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory, make_video, moving_square):
    """Frames of sound videos, by path, of sizes that are kept as they are; and two bad files."""
    folder = tmp_path_factory.mktemp("videos")
    frames = {
        f"{label}/{number}.avi": moving_square(count, height=128, width=160, seed=number)
        for number, (label, count) in enumerate([("walk", 20), ("walk", 24), ("run", 12)])
    }
    for name, shown in frames.items():
        # Without loss but for the rounding of colours: what is decoded is what was drawn.
        make_video(folder / name, shown, codec="ffv1", pixels="yuv444p")
    whole = (folder / "walk/0.avi").read_bytes()
    (folder / "walk/cut.avi").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("no video")
    return folder, frames


def job(encoder, folder, **more):
    return FolderJob(**{"encoder": encoder, "folder": folder, **SIZES, **more})


def rows(table, level):
    return np.stack(table[level].to_numpy())


def test_vectors_are_those_of_the_encoder_loaded_by_hand(encoder, videos, tmp_path, capsys):
    folder, frames = videos
    embed_folder(job(encoder, folder, output=tmp_path / "features.parquet"))
    table = pd.read_parquet(tmp_path / "features.parquet").set_index("path")
    network = hdc.load_encoder(encoder)
    assert list(table) == ["frames", "seconds", *network.levels]
    assert list(table.index) == sorted(frames)
    for name, shown in frames.items():
        total, span = len(shown), (CLIP["frames"] - 1) * CLIP["stride"] + 1
        starts = even_starts(total, span, clips=2, stride=2)
        clips = [shown[clip_frames(start, frames=8, stride=2, total=total)] for start in starts]
        with torch.no_grad():
            maps = network(hdc.to_clips(np.stack(clips), pixels=32, crop=0.5))
        for level, features in maps.items():
            by_hand = features.mean(dim=(0, 2, 3, 4)).numpy()
            # Colours are rounded by the codec: about 1 of 255.
            assert np.allclose(table[level][name], by_hand, rtol=0.05, atol=0.02)
        assert table.frames[name] == total and table.seconds[name] == total / 25
    out = capsys.readouterr().out
    assert "2 clips a video, each of 8 frames, 2 apart, of 32 x 32 pixels, as its file says" in out
    assert "3 videos, layer2, layer3, layer4; 2 rejected, listed with the reasons in" in out
    rejected = pd.read_csv(tmp_path / "features.rejected.csv").set_index("video").reason
    assert set(rejected.index) == {"walk/cut.avi", "notes.txt"} and rejected.str.len().min() > 5
    assert {path.name for path in tmp_path.iterdir()} == {
        "features.parquet",
        "features.rejected.csv",
    }


def test_labels_and_page(encoder, videos, tmp_path):
    output, page = tmp_path / "v.parquet", tmp_path / "near.html"
    pattern = r"(?P<label>\w+)/.*"
    embed_folder(job(encoder, videos[0], output=output, page=page, pattern=pattern))
    table = pd.read_parquet(output)
    assert table.label.tolist() == ["run", "walk", "walk"]
    notes = json.loads(pq.read_schema(output).metadata[b"hdc"])
    assert notes["clip"] == CLIP and notes["clips_per_video"] == 2 and notes["rejected"] == 1
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 3 * 3 and "http" not in text
    first = text[text.index("<tbody>") :].split("</tr>")[0]
    unit = rows(table, "layer4").astype(float)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit[0]
    nearest = max((1, 2), key=lambda row: cosines[row])
    order = [table.path[0], table.path[nearest], table.path[3 - nearest]]
    assert [first.index(path) for path in order] == sorted(first.index(path) for path in order)
    assert f"{cosines[nearest]:.3f}" in first and "✗ other label" in first


def test_stopped_and_started_again_it_makes_no_part_twice(
    encoder, videos, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("hdc.commands.embed_folder.PART_VIDEOS", 2)
    whole = tmp_path / "whole.parquet"
    embed_folder(job(encoder, videos[0], output=whole))
    made, make = [], Part.make

    def once(part, *arguments):
        if len(made) == 1:
            raise KeyboardInterrupt
        made.append(part.folder.name)
        make(part, *arguments)

    monkeypatch.setattr(Part, "make", once)
    output = tmp_path / "resumed.parquet"
    with pytest.raises(KeyboardInterrupt):
        embed_folder(job(encoder, videos[0], output=output))
    assert not output.exists()
    monkeypatch.setattr(
        Part, "make", lambda part, *words: (made.append(part.folder.name), make(part, *words))
    )
    embed_folder(job(encoder, videos[0], output=output))
    assert made == ["00001-of-00003", "00002-of-00003", "00003-of-00003"]
    assert output.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "resumed.parquet.partial").exists()


def test_parts_are_bounded_by_number_and_by_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("hdc.commands.embed_folder.PART_VIDEOS", 3)
    monkeypatch.setattr("hdc.commands.embed_folder.PART_BYTES", 100)
    sizes = [10, 10, 10, 10, 95, 200, 1, 99, 1]
    for number, size in enumerate(sizes):
        (tmp_path / str(number)).write_bytes(bytes(size))
    videos = pd.DataFrame({"path": [str(tmp_path / str(number)) for number in range(len(sizes))]})
    parts = [part.videos.index.tolist() for part in in_parts(videos, tmp_path)]
    assert parts == [[0, 1, 2], [3], [4], [5], [6, 7], [8]]


def test_flow_is_computed_for_an_encoder_that_sees_it(videos, tmp_path):
    encoder = planted(tmp_path, sees="flow")
    embed_folder(job(encoder, videos[0], output=tmp_path / "flow.parquet"))
    table = pd.read_parquet(tmp_path / "flow.parquet")
    assert len(table) == 3 and np.isfinite(rows(table, "layer4")).all()
    assert np.ptp(rows(table, "layer2"), axis=0).max() > 0


def test_an_older_encoder_is_shown_what_stands_beside_it_or_what_is_usual(videos, tmp_path, capsys):
    older = tmp_path / "encoder.safetensors"
    write_encoder(older, build_encoder(BUILD, seed=0), {"build": BUILD})
    quick = {"output": tmp_path / "f.parquet", "pattern": "run/.*", "clips": 1}
    embed_folder(job(older, videos[0], **quick))
    out = capsys.readouterr().out
    assert "16 frames, 1 apart, of 112 x 112 pixels, as is usual: nothing tells" in out
    (tmp_path / "config.yaml").write_text("clip: {frames: 4, stride: 3, pixels: 16, more: 1}")
    embed_folder(job(older, videos[0], stride=2, **quick))
    assert (
        "4 frames, 2 apart, of 16 x 16 pixels, as config.yaml beside it says"
        in capsys.readouterr().out
    )


WRONG = {
    "no encoder": ({"encoder": "none.safetensors"}, r"none.safetensors: expected an encoder, fo"),
    "no folder": ({"folder": "none"}, r"folder: expected an existing folder of videos, got none"),
    "other suffix": ({"output": "f.csv"}, r"--output: expected a file that ends in .parquet, got"),
    "not a page": ({"page": "f.txt"}, r"--page: expected a file that ends in .html, got f.txt"),
    "no match": (
        {"pattern": "x/.*"},
        r"--pattern: expected to match files below .*matched none of",
    ),
    "no pattern": ({"pattern": "(a"}, r"--pattern: missing \), unterminated subpattern"),
    "no usable": ({"pattern": ".*txt"}, r"expected at least one usable video, found none among 1 "),
}


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=list(WRONG))
def test_wrong_use_is_said_in_one_line(changes, words, encoder, videos, tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    paths = {key: Path(value) if key != "pattern" else value for key, value in changes.items()}
    with pytest.raises(InputError, match=words) as refusal:
        embed_folder(
            job(**{"encoder": encoder, "folder": videos[0], "output": Path("f.parquet")} | paths)
        )
    assert "\n" not in str(refusal.value)
    assert not Path("f.parquet").exists()


def test_nothing_of_others_is_written_over(encoder, videos, tmp_path):
    theirs = tmp_path / "f.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(theirs)
    with pytest.raises(InputError, match="expected a new file or one that hdc embed wrote, found"):
        embed_folder(job(encoder, videos[0], output=theirs))
    with pytest.raises(InputError, match="--output: expected a file outside of the folder"):
        embed_folder(job(encoder, videos[0], output=videos[0] / "f.parquet"))
