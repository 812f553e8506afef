"""Damaged encoders and features: whoever reads them says so in one line, with the file."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

import hdc
from hdc import embed
from hdc.encoders.build import build_encoder, read_encoder, write_encoder
from hdc.evaluate import read_features
from hdc.runtime.errors import InputError
from hdc.runtime.tensor_files import read_facts, write_tensors

BUILD = {"_target_": "hdc.backbones.resnet3d.r3d18", "width": 0.0625}
FACTS = {"clips_per_video": 2, "encoder": "0123456789abcdef", "levels": ["layer4"]}
ROWS = 12
CHANGED = r"expected the bytes that were written, found others, as its checksum tells; .*delete it"
NO_ENCODER = r"expected an encoder written by hdc, found another or a damaged file; make or copy it"
NO_FEATURES = r"expected features by hdc\.embed, found another or a damaged file; delete it and run"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of an encoder and of features, as they were written."""
    folder = tmp_path_factory.mktemp("whole")
    write_encoder(folder / "encoder", build_encoder(BUILD, seed=0), {"build": BUILD, "seed": 0})
    tables = np.random.default_rng(0).random((2, ROWS, 8), dtype=np.float32)
    tables = dict(zip(("layer4", "layer4.still"), tables, strict=True))
    write_tensors(folder / "features", lambda metadata: save(tables, metadata), FACTS)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read(name, path):
    """Every number of a file, read as the stages do."""
    if name == "encoder":
        return hdc.load_encoder(path)
    names, load_table, _ = read_features(path, ROWS)
    return [load_table(each) for each in names]


def flipped(content, place=-5, bit=3):
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def zeroed(content):
    return content[: len(content) // 2].ljust(len(content), b"\0")


def half(content):
    return content[: len(content) // 2]


def older(content, change=lambda name, table: None, **facts):
    """As files of before were written: without a checksum; with some numbers or facts changed."""
    length = int.from_bytes(content[:8], "little")
    known = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["hdc"])
    known = {key: value for key, value in (known | facts).items() if key != "sha256"}
    tables = {name: table.copy() for name, table in load(content).items()}
    for name, table in tables.items():
        change(name, table)
    return save(tables, {"hdc": json.dumps(known, sort_keys=True)})


def filled(which, value):
    def change(name, table):
        if name == which:
            table.flat[-1] = value

    return lambda content: older(content, change)


def without_facts(content):
    return save(load(content))


@pytest.mark.parametrize(
    ("name", "damage", "line"),
    [
        ("encoder", flipped, CHANGED),
        ("encoder", zeroed, CHANGED),
        ("encoder", lambda content: content.replace(rb"seed\": 0", rb"seed\": 1"), CHANGED),
        ("encoder", half, NO_ENCODER),
        ("encoder", lambda content: b"", NO_ENCODER),
        ("encoder", without_facts, NO_ENCODER),
        ("encoder", filled("stem.0.weight", np.nan), r"infinity in stem\.0\.weight \(1 of"),
        ("encoder", filled("stem.1.running_var", -np.inf), r"in stem\.1\.running_var .* import it"),
        ("features", flipped, CHANGED),
        ("features", zeroed, CHANGED),
        ("features", half, NO_FEATURES),
        ("features", lambda content: b"", NO_FEATURES),
        ("features", without_facts, NO_FEATURES),
        ("features", lambda content: older(content, levels=[]), NO_FEATURES),
        ("features", lambda content: older(content, levels=["layer5"]), r"features of layer5"),
        ("features", filled("layer4.still", np.nan), r"infinity in layer4\.still; delete"),
        ("features", filled("layer4", np.inf), r"found NaN or infinity in layer4; del"),
    ],
)  # fmt: skip
def test_the_reader_names_the_file_and_what_to_do(whole, tmp_path, name, damage, line):
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(whole[name])
    assert read(name, path)  # it is the damage that is refused
    path.write_bytes(damage(whole[name]))
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: .*{line}") as refused:
        read(name, path)
    assert "\n" not in str(refused.value)


def test_no_byte_can_change_unseen(whole, tmp_path):
    path, content = tmp_path / "features.safetensors", whole["features"]
    for place in range(len(content)):
        path.write_bytes(flipped(content, place, bit=place % 8))
        with pytest.raises(InputError):
            read("features", path)


@pytest.mark.parametrize("name", ["encoder", "features"])
def test_files_of_before_have_no_checksum_and_stay_readable(whole, tmp_path, name):
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(older(whole[name]))
    assert read(name, path)
    assert "sha256" not in read_facts(path)


def test_a_checksum_is_no_fact_and_the_file_needs_no_other(whole, tmp_path):
    path = tmp_path / "given_away.safetensors"
    path.write_bytes(whole["encoder"])
    assert hdc.load_encoder(path).facts == {"build": BUILD, "seed": 0}
    assert [*tmp_path.iterdir()] == [path]


def test_an_encoder_that_the_last_step_broke_is_not_written(tmp_path):
    encoder, path = build_encoder(BUILD, seed=0), tmp_path / "encoder.safetensors"
    torch.nn.init.constant_(next(encoder.parameters()), float("nan"))
    with pytest.raises(InputError, match=r"in stem\.0\.weight .*lower pretrain\.learning_rate"):
        write_encoder(path, encoder, {"build": BUILD})
    assert not path.exists()


def test_weights_beyond_the_encoders_own_type_are_refused(whole, tmp_path):
    """Finite as they lie in the file, and infinite once they are float32."""
    path = tmp_path / "encoder.safetensors"
    tables = {name: table.astype(float) for name, table in load(whole["encoder"]).items()}
    tables["stem.1.bias"][0] = 1e300
    path.write_bytes(save(tables, {"hdc": json.dumps({"build": BUILD})}))
    with pytest.raises(InputError, match=r"found NaN or infinity in stem\.1\.bias"):
        read_encoder(path, BUILD)


def test_features_that_are_no_numbers_are_never_written(tiny, root, tmp_path, monkeypatch):
    """All weights are finite, and yet the root of one of them is none."""
    monkeypatch.chdir(root)
    words = ["scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "ablation=hdc"]
    path, output = tmp_path / "encoder.safetensors", tmp_path / "features"
    words += [f"encoder={path}", f"prepared={tiny}", f"output_dir={output}"]
    job = embed.STAGE.read(words)
    encoder = build_encoder(job.network, seed=0)
    encoder.get_buffer("layer4.1.conv2.1.running_var")[0] = -1.0
    write_encoder(path, encoder, {"build": job.network})
    expected = rf"^{path}: .* in layer4 of 24 of 24 videos, such as .*; .*pretrain it again"
    with pytest.raises(InputError, match=expected):
        embed.main(job)
    assert not output.exists()
