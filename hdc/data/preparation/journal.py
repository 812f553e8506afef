"""The finished videos of a part in progress, so that after any stop it goes on where it was."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from hdc.data.store import stored_crc32
from hdc.runtime.atomic_files import write_text


class Journal:
    """A line for each finished video of a part, the part's key first."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.entries: list[dict[str, Any]] = []

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "file"):
            self.file.close()

    def recover(
        self, frames: BinaryIO, path: Path, is_next: Callable[[int, dict[str, Any]], bool]
    ) -> None:
        """Take over the videos whose bytes are all there, and cut off what lies behind them.

        `frames` writes to the end of the file at `path`. `is_next(place, entry)`: whether an entry
        is of the video at that place of the part, whose file has the same content as then.
        """
        lines = self.path.read_bytes().split(b"\n")[:-1] if self.path.is_file() else []
        if lines and lines[0] == self.key.encode():
            self.entries = list(_believable(lines[1:], path, is_next))
        end = max((e["offset"] + e["bytes"] for e in self.entries if "offset" in e), default=0)
        frames.truncate(end)
        frames.seek(end)
        texts = [self.key, *map(json.dumps, self.entries)]
        write_text(self.path, "".join(f"{text}\n" for text in texts))
        self.file = self.path.open("a")

    def add(self, entry: dict[str, Any]) -> None:
        """Note a finished video; call it once its bytes are written."""
        self.entries.append(entry)
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()


def _believable(
    lines: list[bytes], path: Path, is_next: Callable[[int, dict[str, Any]], bool]
) -> Iterator[dict[str, Any]]:
    """The entries of a journal up to the first that is broken or whose bytes are not there."""
    with path.open("rb") as frames:
        for place, line in enumerate(lines):
            try:
                entry = json.loads(line)
            except ValueError:
                return
            if not is_next(place, entry):
                return
            if "offset" in entry and stored_crc32(frames.fileno(), entry) != entry["crc32"]:
                return
            yield entry
