"""How a backbone takes clips of some size, found by trying without memory.

`python -m hdc.encoders.clip_trial` prints, as JSON, for each try what is wrong, if anything, and
how many time steps each level has. A process of its own, because torch takes seconds to import.
"""

import argparse
import json
from typing import Any

import torch
from torch import Tensor, nn

from hdc.encoders.build import build_to_fill
from hdc.runtime.errors import InputError

LARGEST = 512  # frames or pixels; what takes no such clip is wrong in another way


def try_clip(backbone: dict[str, Any], frames: int, pixels: int) -> dict[str, Any]:
    """How clips of `frames` frames of `pixels` x `pixels` are taken.

    `problem`: why they are not; empty: they are. `time_steps`: what they leave, by level.
    """
    try:
        encoder = _without_memory(backbone)
    except InputError as error:
        return {"problem": str(error), "time_steps": {}}
    features = _features(encoder, frames, pixels)
    if isinstance(features, dict):
        return {"problem": "", "time_steps": {level: x.shape[2] for level, x in features.items()}}
    return {"problem": _problem(encoder, frames, pixels, features), "time_steps": {}}


def _problem(encoder: nn.Module, frames: int, pixels: int, error: str) -> str:
    """The least clip that is taken in place of one that is refused with `error`."""
    for least, unit in (
        (_least(encoder, lambda size: (frames, size), pixels), "pixels"),
        (_least(encoder, lambda size: (size, pixels), frames), "frames"),
    ):
        if least is not None:
            refused = {"frames": frames, "pixels": pixels}[unit]
            return f"clip.{unit}: expected at least {least}, got {refused}"
    return f"clip: expected a size that the network takes, got {frames} x {pixels} pixels: {error}"


def _without_memory(backbone: dict[str, Any]) -> nn.Module:
    """The network on torch's meta device, which knows shapes and no numbers."""
    try:
        with torch.device("meta"):
            return build_to_fill(backbone).eval()
    except (RuntimeError, NotImplementedError):  # it asks for a number while it is built
        return build_to_fill(backbone).eval().to("meta")


def _least(encoder: nn.Module, size: Any, refused: int) -> int | None:
    """The least number above `refused` whose clip is taken, by halving; None: not even LARGEST."""
    low, high = refused, LARGEST
    if isinstance(_features(encoder, *size(high)), str):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        refuses = isinstance(_features(encoder, *size(middle)), str)
        low, high = (middle, high) if refuses else (low, middle)
    return high


def _features(encoder: nn.Module, frames: int, pixels: int) -> dict[str, Tensor] | str:
    """The features of a clip by level, or the first line of what torch says against it."""
    try:
        with torch.no_grad():
            return encoder(torch.empty(2, 3, frames, pixels, pixels, device="meta"))
    except Exception as error:
        return str(error).partition("\n")[0] or type(error).__name__


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m hdc.encoders.clip_trial",
        description="Which clips a backbone takes, by trying.",
    )
    parser.add_argument("tries", help="JSON of a list of [settings of a backbone, frames, pixels]")
    given = parser.parse_args()
    print(json.dumps([try_clip(*arguments) for arguments in json.loads(given.tries)]))
