"""What to do about a prepared data set that is damaged, in words for a message."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hdc.runtime.errors import InputError
from hdc.runtime.sealed import read_sealed

SOURCES = "sources.json"  # which files a data set was prepared from (hdc.data.preparation.changes)


def prepare_again(prepared: str | Path, folder: str | None = None) -> str:
    """The command that mends a prepared data set; `folder` of its videos, as noted if not given."""
    prepared = Path(prepared)
    if folder is None:
        try:
            folder = read_sealed(prepared / SOURCES, remedy="")["folder"]
        except (InputError, OSError, KeyError):
            folder = "<folder of its videos, empty if they are made>"
    words = (f"data={prepared.name}", f"folder={folder}", f"output_dir={prepared}")
    command = " ".join(("python -m hdc.prepare", *map(shlex.quote, words)))
    return f"run {command}; only what is damaged is decoded again"


def compute_again(prepared: str | Path) -> str:
    """The command that makes the optical flow of a prepared data set, or mends it."""
    words = (f"data={Path(prepared).name}", f"prepared={prepared}")
    return f"run {' '.join(('python -m hdc.flow', *map(shlex.quote, words)))}"


def remedy_of(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What mends a store with that manifest: the frames, or a track beside them."""
    return compute_again(folder.parent) if "of" in manifest else prepare_again(folder)
