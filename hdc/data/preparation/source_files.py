"""What a video was prepared from, a file or a folder of images, and whether that has changed."""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hdc.data.listing import is_image
from hdc.runtime.digest import digest

_LAST_NUMBER = re.compile(r"([0-9]+)[^0-9]*\.[^.]*$")  # before the ending


def image_number(name: str) -> int:
    """The last number in an image's name, that of its frame; -1 if there is none."""
    found = _LAST_NUMBER.search(name)
    return int(found[1]) if found else -1


def images_of(folder: str | Path) -> list[Path]:
    """The images in a folder, by their numbers: 9 stands before 10."""
    names = [name for name in os.listdir(folder) if is_image(name)]  # noqa: PTH208  (far faster)
    return [
        Path(folder, name) for name in sorted(names, key=lambda name: (image_number(name), name))
    ]


def size_and_time(path: str) -> tuple[int, int]:
    """Bytes of a file and when it was modified, in ns since 1970; zeros for a missing one.

    Of a folder: the bytes of its images, and in place of the time a number that changes with any
    name, size or time of them.
    """
    try:
        state = Path(path).stat() if path else None
        if path and Path(path).is_dir():
            return _sizes_and_times(path)
    except OSError:
        state = None
    return (state.st_size, state.st_mtime_ns) if state else (0, 0)


def _sizes_and_times(folder: str) -> tuple[int, int]:
    with os.scandir(folder) as entries:
        states = {entry.name: entry.stat() for entry in entries if is_image(entry.name)}
    facts = [(name, state.st_size, state.st_mtime_ns) for name, state in sorted(states.items())]
    return sum(size for _, size, _ in facts), int(digest(json.dumps(facts)), 16)


def sha256_of(path: str) -> str:
    """The checksum of a file's content, or of a folder's images; empty for what cannot be read."""
    try:
        if Path(path).is_dir():
            return sha256_of_all(_sha256(image) for image in images_of(path))
        return _sha256(Path(path))
    except OSError:
        return ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_all(checksums: Iterable[str]) -> str:
    """The checksum of several files, from theirs, a line each."""
    return hashlib.sha256("".join(f"{checksum}\n" for checksum in checksums).encode()).hexdigest()


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
