"""The states that a stopped training goes on from: the last two, each known to be whole."""

import hashlib
import io
import time
from pathlib import Path
from typing import Any

import torch

from hdc.runtime.atomic_files import write_bytes
from hdc.runtime.errors import InputError

KEPT = 2
_DIGEST = 32  # bytes of SHA-256 before the state itself


def write_state(folder: Path, step: int, state: dict[str, Any]) -> float:
    """Write the state after `step` steps, then remove all but the last two; seconds it took.

    An error, such as a full disk, leaves the earlier states as they are.
    """
    started = time.monotonic()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    write_bytes(folder / f"{step:012d}.pt", hashlib.sha256(content).digest() + content)
    for path in _states(folder)[:-KEPT]:
        path.unlink()
    return time.monotonic() - started


def read_state(folder: Path, device: torch.device) -> tuple[dict[str, Any] | None, bytes]:
    """The newest state that is whole, or None, and its digest, of 32 bytes.

    A damaged state is named and passed over.

    Raises InputError if there are states and every one is damaged.
    """
    paths = _states(folder)
    for path in reversed(paths):
        content = path.read_bytes()
        if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
            buffer = io.BytesIO(content[_DIGEST:])
            state = torch.load(buffer, map_location=device, weights_only=True)
            return state, content[:_DIGEST]
        print(f"warning: {path} is damaged; going back to the state before", flush=True)
    if paths:
        raise InputError(
            f"{folder}: expected a state that is whole, found {len(paths)} damaged; "
            "delete the folder to start from the beginning"
        )
    return None, bytes(_DIGEST)


def _states(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("*.pt"))
