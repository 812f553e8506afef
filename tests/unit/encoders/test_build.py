"""Encoders: only backbones are built, files say what they are, and one loads in three lines."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

import hdc
from hdc.data.augment import augment
from hdc.data.draws import squares
from hdc.encoders.build import build_encoder, read_encoder, renormalize, write_encoder
from hdc.encoders.file import encoder_facts, require_adoptable
from hdc.runtime.errors import InputError

BUILD = {"_target_": "hdc.backbones.resnet3d.r3d18", "width": 0.0625}
INPUT = {"mean": [0.4, 0.3, 0.2], "std": [0.1, 0.2, 0.4]}


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (2, 8, 40, 48, 3), dtype=np.uint8)


@pytest.fixture
def written(tmp_path):
    """An encoder file, with more facts if given."""

    def write(**facts):
        path = tmp_path / "encoder.safetensors"
        (tmp_path / "videos.csv").write_text("video,sha256\n")
        write_encoder(path, build_encoder(BUILD, seed=0), {"build": BUILD} | facts)
        return path

    return write


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "hdc.backbones.resnet3d.nn.Identity",
        "hdc.backbones.resnet3d.BasicStem",
        "hdc.backbones.resnet3d._scaled_stem",
        "hdc.backbones.timm2plus1d.partial",
        "hdc.backbones.nothing.here",
        "hdc.runtime.atomic_files.write_text",
        None,
    ],
)
def test_nothing_but_a_backbone_is_built(written, tmp_path, target):
    with pytest.raises(InputError, match=r"expected a function of a module in hdc\.backbones"):
        build_encoder({"_target_": target, "path": "x", "content": "y"}, seed=0)
    with pytest.raises(InputError, match=r"expected a function of a module in hdc\.backbones"):
        hdc.load_encoder(written(build={"_target_": target}))


def test_a_setting_that_the_backbone_does_not_take_is_refused():
    with pytest.raises(InputError, match=r"expected the arguments of .*r3d18, found others: .*dep"):
        build_encoder(BUILD | {"depth": 3}, seed=0)


def test_a_written_encoder_loads_as_it_was(written, frames):
    encoder = hdc.load_encoder(written(ablation="hdc"))
    assert not encoder.training and encoder.facts["ablation"] == "hdc"
    with torch.no_grad():
        found = encoder(hdc.to_clips(frames, pixels=32))
        original = build_encoder(BUILD, seed=0).eval()
        expected = original(hdc.to_clips(frames, pixels=32))
    loaded = encoder.state_dict()
    assert all(torch.equal(loaded[name], one) for name, one in original.state_dict().items())
    assert list(found) == list(encoder.levels) == ["layer2", "layer3", "layer4"]
    for level in found:
        assert_close(found[level], expected[level])


def test_frames_become_clips_as_in_embedding(frames):
    batch = torch.from_numpy(frames)
    expected = augment(batch, squares(40, 48, 0.875) * 2, pixels=32)
    assert_close(hdc.to_clips(frames, pixels=32, crop=0.875), expected)
    assert expected.shape == (2, 3, 8, 32, 32)


@pytest.mark.parametrize("wrong", [np.zeros((8, 40, 48, 3), np.uint8), np.zeros((1, 8, 4, 4, 3))])
def test_other_frames_are_refused(wrong):
    with pytest.raises(InputError, match=r"frames: expected uint8 \(batch, time, "):
        hdc.to_clips(wrong, pixels=32)


def test_another_normalization_is_converted_on_the_way_in(written, frames):
    """Same weights and keys; copies and compiled encoders convert, too."""
    plain, other = build_encoder(BUILD, seed=0).eval(), hdc.load_encoder(written(input=INPUT))
    rgb = torch.from_numpy(frames).permute(0, 4, 1, 2, 3) / 255
    mean, std = (torch.tensor(INPUT[key]).view(3, 1, 1, 1) for key in ("mean", "std"))
    ours = (rgb - 0.45) / 0.225
    with torch.no_grad():
        expected = plain((rgb - mean) / std)
        compiled = torch.compile(copy.deepcopy(other), backend="eager")
        for encoder in (other, copy.deepcopy(other), compiled):
            found = encoder(ours)
            for level in found:
                assert_close(found[level], expected[level], rtol=1e-4, atol=1e-5)
    assert other.state_dict().keys() == plain.state_dict().keys()


def test_reading_and_writing_an_encoder_again_gives_the_same_bytes(written, tmp_path):
    path = written(input=INPUT)
    again = tmp_path / "again.safetensors"
    write_encoder(again, read_encoder(path, BUILD), encoder_facts(path))
    assert again.read_bytes() == path.read_bytes()


def test_renormalizing_to_ours_changes_nothing():
    encoder, clips = build_encoder(BUILD, seed=0).eval(), torch.randn(1, 3, 8, 16, 16)
    before = encoder(clips)["layer4"]
    renormalize(encoder, mean=[0.45] * 3, std=[0.225] * 3)
    assert_close(encoder(clips)["layer4"], before)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "encoder.safetensors"
    with pytest.raises(InputError, match=r"expected an encoder, found none"):
        hdc.load_encoder(path)
    path.write_text("nonsense")
    for _ in range(2):
        with pytest.raises(InputError, match=r"expected an encoder written by hdc, found another"):
            hdc.load_encoder(path)
        save_file({"weight": torch.zeros(1)}, path)


def test_weights_of_another_width_are_refused(written):
    with pytest.raises(InputError, match=r"expected the weights of hdc.* found other names or sha"):
        read_encoder(written(), BUILD | {"width": 0.125})


def test_only_an_encoder_of_the_same_backbone_is_taken_over(written, tmp_path):
    path = written()
    assert require_adoptable(path, BUILD)["build"] == BUILD
    with pytest.raises(InputError, match=r"width 1.0, found one of width 0.0625; set backbone.wid"):
        require_adoptable(path, BUILD | {"width": 1.0})
    with pytest.raises(InputError, match=r"expected an encoder of hdc.backbones.c3d.c3d, found "):
        require_adoptable(path, BUILD | {"_target_": "hdc.backbones.c3d.c3d"})
    (tmp_path / "videos.csv").unlink()
    with pytest.raises(InputError, match=r"the list of the videos that it saw, found none"):
        require_adoptable(path, BUILD)


@pytest.mark.parametrize("facts", [{}, {"input": INPUT}])
def test_loading_needs_neither_hydra_nor_snakemake(written, facts):
    code = (
        "import hdc, json, sys\n"
        "encoder = hdc.load_encoder(sys.argv[1])\n"
        "print(json.dumps([type(encoder).__name__, sorted(sys.modules)]))"
    )
    words = [sys.executable, "-c", code, str(written(**facts))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    name, modules = json.loads(done.stdout)
    assert name == "ResNet3d" and "torch" in modules
    assert not {"hydra", "omegaconf", "snakemake", "timm"} & set(modules)


def test_the_file_holds_the_weights_alone(written):
    path = written(input=INPUT)
    assert load_file(path).keys() == build_encoder(BUILD, seed=0).state_dict().keys()
