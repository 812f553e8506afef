"""What to do about a prepared data set that is damaged, in words for a message."""

import shlex
from pathlib import Path

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
