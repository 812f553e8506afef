"""What an encoder's file says about it, read without torch: planning a study asks for it, too."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hdc.runtime.errors import InputError
from hdc.runtime.tensor_files import read_facts

if TYPE_CHECKING:  # who loads an encoder need not wait for it
    import pandas

KEPT = ("imported_from", "input", "sees", "export", "clip")  # stays true wherever an encoder goes
ENCODER, EXPORTED = "encoder.safetensors", "model.safetensors"
CLIP = ("frames", "stride", "pixels")


def encoder_file(path: str | Path) -> Path:
    """The file of an encoder: `path`, or that which hdc.pretrain or `hdc export` put in it."""
    path = Path(path)
    names = (ENCODER, EXPORTED) if path.is_dir() else ()
    return next((path / name for name in names if (path / name).is_file()), path)


def known_clip(path: str | Path, facts: Mapping[str, Any]) -> tuple[dict[str, int], str]:
    """`frames`, `stride` and `pixels` of the clips that an encoder was trained or judged on.

    And by whose word: that of its file or, where that is older, of the settings beside it. Both are
    empty where nothing tells.
    """
    if "clip" in facts:
        return facts["clip"], "as its file says"
    for beside in ("config.yaml", "config.json"):  # JSON is YAML
        try:
            clip = yaml.safe_load(Path(path).with_name(beside).read_text())["clip"]
            return {key: clip[key] for key in CLIP}, f"as {beside} beside it says"
        except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
            continue
    return {}, ""


def pretraining_list(encoder: str | Path) -> Path:
    """The list of videos that an encoder saw; it lies beside the encoder."""
    return Path(encoder).with_name("videos.csv")


def seen_by(facts: Mapping[str, Any]) -> str:
    """The name of the input that an encoder with these facts takes."""
    return facts.get("sees", "rgb")


def encoder_facts(path: str | Path) -> dict[str, Any]:
    """What `hdc.encoders.build.write_encoder` wrote about an encoder.

    Raises InputError if there is no file, one that `hdc` did not write, or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected an encoder, found none; run hdc.pretrain first")
    facts = read_facts(path)
    if not isinstance(facts, dict) or not isinstance(facts.get("build"), dict):
        raise InputError(
            f"{path}: expected an encoder written by hdc, found another or a damaged file; make or "
            "copy it again, or bring other weights in by python -m hdc.import_encoder"
        )
    return facts


def require_adoptable(path: str | Path, backbone: dict[str, Any]) -> dict[str, Any]:
    """The facts of an encoder that a run takes over, whose backbone's settings are `backbone`.

    Raises InputError if it is no encoder, was built otherwise, or lacks the list of its videos.
    """
    facts = encoder_facts(path)
    built, wanted = facts["build"], dict(backbone)
    for settings in (built, wanted):
        settings.pop("pretrained", None)  # where first weights came from; these are others
    if built.get("_target_") != wanted["_target_"]:
        raise InputError(
            f"{path}: expected an encoder of {wanted['_target_']}, found one of "
            f"{built.get('_target_')}; choose the backbones of the study so that they fit"
        )
    differing = {key: value for key, value in built.items() if wanted.get(key) != value}
    if differing:
        actual = ", ".join(f"{key} {value}" for key, value in differing.items())
        lines = ", ".join(f"backbone.{key}: {value}" for key, value in differing.items())
        expected = ", ".join(f"{key} {wanted.get(key)}" for key in differing)
        raise InputError(
            f"{path}: expected an encoder of {expected}, found one of {actual}; "
            f"set {lines} in the ablation"
        )
    if not pretraining_list(path).is_file():
        raise InputError(
            f"{path}: expected {pretraining_list(path)} beside it, the list of the videos that it "
            "saw, found none; copy both"
        )
    return facts


def adopted_facts(
    encoder: str | Path, backbone: dict[str, Any]
) -> tuple[dict[str, Any], "pandas.DataFrame"]:
    """What stays true of an encoder that is taken over, and the list of the videos that it saw.

    Raises InputError if it is no encoder, or one of another backbone.
    """
    from hdc.data.index import read_table

    facts = require_adoptable(encoder, backbone)
    trained_here = f"the videos of run {facts.get('ablation')}, seed {facts.get('seed')}"
    kept = {key: facts[key] for key in KEPT if key in facts} | {
        "pretrained_on": facts.get("pretrained_on", trained_here),
        "videos_known": facts.get("videos_known", True),
    }
    listing = pretraining_list(encoder)
    videos = read_table(listing, ("video", "sha256"), made_by="hdc.pretrain")
    return kept, videos[["video", "sha256"]]
