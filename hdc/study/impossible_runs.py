"""Which runs of a study cannot be, and why, told when it is planned and not after hours of jobs.

A network may take no clips as small as a run's, have fewer levels than its objective uses, or leave
a single time step where the spatial subtask tells time steps apart.
"""

import ast
import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hdc.backbones.level import time_steps
from hdc.runtime.atomic_files import write_text
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.settings.compose import plain
from hdc.study.study import Study

TRIED = Path(".snakemake/clips.json")  # only saves seconds: what came of clips that were tried
REMEDY = (
    "choose a larger scale, set it in an ablation, take another backbone, or say allow_gaps: true, "
    "and the tables name the gap"
)


@dataclass(frozen=True)
class Fit:
    """How a network takes clips of one size."""

    problem: str  # why it does not; empty: it does
    time_steps: Mapping[str, int]  # that it leaves, by level, shallow to deep


def without_impossible_runs(study: Study) -> Study:
    """The study with its gaps: runs that cannot be, each with the reason.

    Raises InputError for the first of them unless the study allows gaps.
    """
    gaps = impossible_runs(study)
    if gaps and not study.allow_gaps:
        run, why = next(iter(gaps.items()))
        backbone, ablation = run.split("/")
        raise InputError(f"backbone {backbone} ({ablation}, scale {study.scale}): {why}; {REMEDY}")
    return replace(study, gaps=gaps)


def impossible_runs(study: Study) -> dict[str, str]:
    """`<backbone>/<ablation>` of every run that cannot be -> why."""
    runs = {
        f"{backbone}/{ablation}": study.compose(backbone, ablation, next(iter(study.evaluate_on)))
        for backbone in study.backbones
        for ablation in study.runs_of(backbone)
    }
    fits = dict(zip(runs, _fits(runs), strict=True))
    reasons = {name: why for name, run in runs.items() if (why := _why_not(run, fits[name]))}
    for name, run in runs.items():
        backbone, measured_by = name.split("/")[0], run.objective.measured_by
        if measured_by and f"{backbone}/{measured_by}" in reasons and name not in reasons:
            reasons[name] = f"objective.measured_by: {measured_by} cannot be"
    return reasons


def _why_not(run: Any, fit: Fit) -> str:
    """Why a run cannot be; empty: it can."""
    objective, levels = run.objective, list(fit.time_steps)
    if fit.problem:
        return fit.problem
    if run.pretrain.labels:
        return ""
    trained = run.encoder is None and math.ceil(run.pretrain.epochs * run.pretrain.epochs_factor)
    for subtask, settings in objective.terms.items():
        if settings is None:
            continue
        if len(settings.weights) > len(levels):
            return (
                f"objective.terms.{subtask}.weights: expected at most {len(levels)}, one for each "
                f"level of the backbone, got {len(settings.weights)}"
            )
        for level in levels[-len(settings.weights) :]:
            if trained and settings.pool == "space" and fit.time_steps[level] < 2:
                return (
                    f"objective.terms.{subtask}.pool: expected at least 2 time steps at {level} to "
                    f"pool over space alone, clips of {run.clip.frames} frames leave "
                    f"{fit.time_steps[level]}; use longer clips or fewer levels"
                )
    return ""


def _fits(runs: Mapping[str, Any]) -> Iterator[Fit]:
    """How each run's network takes its clips: by what its module says, else by trying."""
    asked = {
        name: [plain(run.backbone), run.clip.frames, run.clip.pixels] for name, run in runs.items()
    }
    said = {name: fit_by_source(*clip) for name, clip in asked.items()}
    tried = _tried({name: clip for name, clip in asked.items() if said[name] is None})
    return (said[name] or tried[name] for name in runs)


def fit_by_source(backbone: Mapping[str, Any], frames: int, pixels: int) -> Fit | None:
    """What a backbone's module says of clips in `LEAST_CLIP` and `STRIDES`; None: it says nothing.

    Read from its source, because importing it imports torch.
    """
    target = backbone["_target_"]
    said = {
        name: node.value
        for node in ast.parse(_source(target)).body
        if isinstance(node, ast.Assign)
        for name in [ast.unparse(node.targets[0])]
        if name in ("LEAST_CLIP", "STRIDES")
    }
    strides = ast.literal_eval(said.get("STRIDES", ast.Dict([], []))).get(target.split(".")[-1])
    if "LEAST_CLIP" not in said or strides is None:
        return None
    least = ast.literal_eval(said["LEAST_CLIP"])
    for unit, smallest, size in zip(("frames", "pixels"), least, (frames, pixels), strict=True):
        if size < smallest:
            return Fit(f"clip.{unit}: expected at least {smallest}, got {size}", {})
    return Fit("", {level: time_steps(frames, in_time) for level, (in_time, _) in strides.items()})


def _source(target: str) -> str:
    """The text of the module that a dotted name lies in."""
    module = importlib.util.find_spec(target.rpartition(".")[0])
    return Path(module.origin).read_text() if module and module.origin else ""


def _key(clip: list[Any]) -> str:
    """A name for a trial, which changes with all that decides it."""
    versions = [version(name) for name in ("torch", "torchvision", "timm")]
    return digest(json.dumps(["time steps", clip, versions, _source(clip[0]["_target_"])]))


def _tried(asked: Mapping[str, list[Any]]) -> dict[str, Fit]:
    """How networks take clips, found by trying those that were not tried yet."""
    try:
        known = json.loads(TRIED.read_text())
    except (OSError, ValueError):
        known = {}
    keys = {name: _key(clip) for name, clip in asked.items()}
    new = {key: asked[name] for name, key in keys.items() if key not in known}
    if new:
        command = [sys.executable, "-m", "hdc.encoders.clip_trial", json.dumps([*new.values()])]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            first = next(name for name, key in keys.items() if key in new)
            raise InputError(f"{first}: expected a network that can be built: {last}")
        known |= dict(zip(new, json.loads(done.stdout.splitlines()[-1]), strict=True))
        write_text(TRIED, json.dumps(known))
    return {name: Fit(**known[key]) for name, key in keys.items()}
