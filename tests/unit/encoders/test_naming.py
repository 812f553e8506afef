"""Mapping files: followed as they are written, or refused in one line."""

import pytest
import yaml
from torchvision.models.video import (
    MViT_V2_S_Weights,
    R3D_18_Weights,
    S3D_Weights,
    Swin3D_T_Weights,
)

from hdc.encoders.naming import Naming, read_naming
from hdc.runtime.errors import InputError


@pytest.mark.parametrize(
    ("mapping", "published"),
    [
        ("torchvision", R3D_18_Weights),
        ("torchvision", S3D_Weights),
        ("torchvision_mvit", MViT_V2_S_Weights),
        ("torchvision_swin3d", Swin3D_T_Weights),
    ],
)
def test_the_shipped_mappings_have_torchvisions_normalization(mapping, published):
    naming, presets = read_naming(mapping), published.KINETICS400_V1.transforms()
    assert (naming.mean, naming.std) == (list(presets.mean), list(presets.std))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"renames": {}}, "expected some of weights, rename, drop, mean, std, found renames"),
        (["a"], r"expected some of weights, rename, drop, mean, std, found \['a'"),
        ({"drop": ["("]}, r"expected a regular expression, found \(: missing"),
        ({"drop": "fc"}, "expected a table under rename and a list under drop"),
        ({"drop": ["(" * 5000 + ")" * 5000]}, "drop: expected a regular expression, found '"),
        ({"drop": [3]}, "drop: expected a regular expression, found 3: expected texts"),
        ({"rename": {"a": 1}}, "rename: expected a regular expression, found a: 1: expected texts"),
        ({"rename": {"a(b)": r"\2"}}, r"found a\(b\): \\2: invalid group reference 2"),
        ({"rename": {"a": r"\g<b>"}}, r"found a: \\g<b>: unknown group name 'b'"),
        ({"weights": 3}, "weights: expected a dotted place, found 3"),
        ({"mean": [0, 0, 0]}, "expected mean and std together"),
        ({"mean": [0, 0, 0], "std": [1, 1]}, "std: expected 3 numbers of RGB, black 0 and white 1"),
        ({"mean": [0, 0, 0], "std": [1, 1, 0]}, "std: .* from 0.003 to 1, found"),
        ({"mean": [0, 0, 0], "std": [1e-9] * 3}, "std: .* from 0.003 to 1, found"),
        ({"mean": [0, 0, "0"], "std": [1, 1, 1]}, r"mean: .* found \[0, 0, '0'\]$"),
        ({"mean": [104, 117, 123], "std": [1, 1, 1]}, "mean: .*; divide mean and std of 0 to 255"),
        ({"mean": [0.4, 0.4, 0.4], "std": [58.4, 57.1, 57.4]}, "std: .*; divide mean and std of"),
    ],
)
def test_a_mapping_that_cannot_be_followed_is_refused(tmp_path, content, message):
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=message):
        read_naming(str(path))


def test_a_network_of_0_to_255_is_taken_in_0_to_1(mapping):
    """Caffe's: a mean of about 110, and a standard deviation of 1."""
    naming = read_naming(str(mapping(mean=[0.48, 0.46, 0.41], std=[0.0039, 0.0039, 0.0039])))
    assert naming.std == [0.0039] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("drop: ['caf\xe9']".encode("latin-1"), "expected text in UTF-8, found other bytes: "),
        (b"drop: [a]\ndrop: [b]\n", "expected YAML, found: the key drop twice; keep one of them"),
        (b"rename: {a: b, c: d, a: e}\n", "expected YAML, found: the key a twice"),
        (b"drop: " + b"[" * 5000 + b"]" * 5000, "expected a flat table, found one nested too deep"),
        (b"mean: 2020-13-45\n", "expected YAML, found: month must be in 1"),
        (b"drop: &a [*a, *a]\n", r"drop: expected a regular expression, found \["),
        (b"\x00", "expected YAML, found: unacceptable character"),
    ],
)
def test_a_file_that_is_no_sound_yaml_is_refused(tmp_path, content, message):
    path = tmp_path / "mapping.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"mapping\.yaml: {message}") as error:
        read_naming(str(path))
    assert len(str(error.value)) < 600 and "\n" not in str(error.value)


@pytest.mark.parametrize("naming", [{"drop": ["(a+)+$"]}, {"rename": {"(a+)+$": "b"}}])
def test_a_pattern_that_never_ends_is_stopped(naming, monkeypatch):
    monkeypatch.setattr("hdc.runtime.patterns.SECONDS", 0.05)
    [key] = naming
    words = rf"mapping: {key}: expected a regular expression that ends, .*: \(a\+\)\+\$; repeat"
    with pytest.raises(InputError, match=words):
        Naming(**naming).names(["a" * 60 + "!"])


def test_the_first_pattern_that_matches_renames(weights):
    naming = Naming(drop=["^d"], rename={"a": "x", "b|x": "y", "^c$": "z"})
    found = naming.names(["ab", "b", "da", "c", "e"])
    assert list(found.items()) == [("ab", "xb"), ("b", "y"), ("c", "z"), ("e", "e")]


def test_an_unknown_mapping_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"mapping: expected .*torchvision, .*, a YAML file or nothing"
    ):
        read_naming("torchvison")
    (tmp_path / "broken.yaml").write_text("a: [\n")
    with pytest.raises(InputError, match=r"broken.yaml: expected YAML, found: "):
        read_naming(str(tmp_path / "broken.yaml"))
