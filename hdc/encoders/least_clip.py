"""Which clips a backbone takes, found by trying without memory.

`python -m hdc.encoders.least_clip` prints, as JSON, for each try an empty text or what is
wrong. A process of its own, because torch takes seconds to import.
"""

import argparse
import json
from typing import Any

import torch
from torch import nn

from hdc.encoders.build import build_to_fill
from hdc.runtime.errors import InputError

LARGEST = 512  # frames or pixels; what takes no such clip is wrong in another way


def problem(backbone: dict[str, Any], frames: int, pixels: int) -> str:
    """What is wrong with clips of `frames` frames of `pixels` x `pixels`; empty: they are taken."""
    try:
        encoder = _without_memory(backbone)
    except InputError as error:
        return str(error)
    error = _error(encoder, frames, pixels)
    if not error:
        return ""
    for least, unit in (
        (_least(encoder, lambda size: (frames, size), pixels), "pixels"),
        (_least(encoder, lambda size: (size, pixels), frames), "frames"),
    ):
        if least is not None:
            found = {"frames": frames, "pixels": pixels}[unit]
            return f"clip.{unit}: expected at least {least}, got {found}"
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
    if _error(encoder, *size(high)):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _error(encoder, *size(middle)) else (low, middle)
    return high


def _error(encoder: nn.Module, frames: int, pixels: int) -> str:
    """The first line of what torch says of a clip; empty: it is taken."""
    try:
        with torch.no_grad():
            encoder(torch.empty(2, 3, frames, pixels, pixels, device="meta"))
    except Exception as error:
        return str(error).partition("\n")[0] or type(error).__name__
    return ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m hdc.encoders.least_clip",
        description="Which clips a backbone takes, by trying.",
    )
    parser.add_argument("tries", help="JSON of a list of [settings of a backbone, frames, pixels]")
    given = parser.parse_args()
    print(json.dumps([problem(*one) for one in json.loads(given.tries)]))
