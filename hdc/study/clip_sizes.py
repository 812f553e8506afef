"""Whether the networks of a study take clips of the size that its runs have, told at planning."""

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hdc.runtime.atomic_files import write_text
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.settings.compose import plain
from hdc.study.study import Study

TRIED = Path(".snakemake/clips.json")  # only saves seconds: which clips were tried, and what came
REMEDY = "choose a larger scale, set it in an ablation, or take another backbone"


def require_clips_taken(study: Study) -> None:
    """Refuse clips that are too small for a network: by what its module says, else by trying.

    Raises InputError that names the backbone, the scale and the least size.
    """
    asked: dict[str, tuple[list[Any], str]] = {}
    for backbone in study.backbones:
        for ablation in study.runs_of(backbone):
            run = study.compose(backbone, ablation, next(iter(study.evaluate_on)))
            one = [plain(run.backbone), run.clip.frames, run.clip.pixels]
            least = least_clip(one[0]["_target_"])
            where = f"backbone {backbone} ({ablation}, scale {study.scale})"
            if least is None:
                asked.setdefault(_key(one), (one, where))
            elif wrong := _too_small(least, *one[1:]):
                raise InputError(f"{where}: {wrong}; {REMEDY}")
    for (_, where), wrong in zip(asked.values(), _tried(asked), strict=True):
        if wrong:
            raise InputError(f"{where}: {wrong}; {REMEDY}")


def _too_small(least: tuple[int, int], frames: int, pixels: int) -> str:
    for unit, smallest, found in zip(("frames", "pixels"), least, (frames, pixels), strict=True):
        if found < smallest:
            return f"clip.{unit}: expected at least {smallest}, got {found}"
    return ""


def least_clip(target: str) -> tuple[int, int] | None:
    """The least frames and pixels that a backbone's module names in `LEAST_CLIP`; None: none.

    Read from its source, because importing it imports torch.
    """
    for node in ast.parse(_source(target)).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LEAST_CLIP":
            frames, pixels = ast.literal_eval(node.value)
            return frames, pixels
    return None


def _source(target: str) -> str:
    """The text of the module that a dotted name lies in."""
    found = importlib.util.find_spec(target.rpartition(".")[0])
    return Path(found.origin).read_text() if found and found.origin else ""


def _key(asked: list[Any]) -> str:
    """A name for a try, which changes with all that decides it."""
    versions = [version(name) for name in ("torch", "torchvision", "timm")]
    return digest(json.dumps([asked, versions, _source(asked[0]["_target_"])]))


def _tried(asked: Mapping[str, tuple[list[Any], str]]) -> Iterable[str]:
    """What is wrong with each clip, by trying those that were not yet; empty: nothing."""
    try:
        known = json.loads(TRIED.read_text())
    except (OSError, ValueError):
        known = {}
    new = [key for key in asked if key not in known]
    if new:
        words = json.dumps([asked[key][0] for key in new])
        command = [sys.executable, "-m", "hdc.encoders.least_clip", words]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise InputError(f"{asked[new[0]][1]}: expected a network that can be built: {last}")
        known |= dict(zip(new, json.loads(done.stdout.splitlines()[-1]), strict=True))
        write_text(TRIED, json.dumps(known))
    return [known[key] for key in asked]
