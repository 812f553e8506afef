"""The file that a video was prepared from, and whether it still has the same content."""

import hashlib
from pathlib import Path
from typing import Any


def size_and_time(path: str) -> tuple[int, int]:
    """Bytes of a file and when it was modified, in ns since 1970; zeros for a missing one."""
    try:
        state = Path(path).stat() if path else None
    except OSError:
        state = None
    return (state.st_size, state.st_mtime_ns) if state else (0, 0)


def sha256_of(path: str) -> str:
    """The checksum of a file's content; empty for one that cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def still(source: dict[str, Any], path: str) -> dict[str, Any] | None:
    """`source` with the time of its file today, or nothing if its content differs.

    `source` holds bytes, modified and sha256 as they were. The file is read only where its time
    differs and its size does not: copies have other times and the same content.
    """
    size, modified = size_and_time(path)
    if (size, modified) == (source["bytes"], source["modified"]):
        return source
    if size != source["bytes"] or sha256_of(path) != source["sha256"]:
        return None
    return source | {"modified": modified}
