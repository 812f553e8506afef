"""Files that appear whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def open_atomically(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file to write, which becomes `path` when the block ends without an error.

    The content goes to a temporary name in the same folder, is flushed to the disk and renamed, so
    that a reader finds the old file or the whole new one. Missing folders are made. On an error the
    temporary file is removed and an older `path` stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # A plain open gives mode 0666 less the umask: others in the group can read results.
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all, and read it back before it takes its name.

    Raises OSError if other bytes are read back; an older `path` stays.
    """
    with open_atomically(path) as file:
        file.write(content)
        file.flush()
        if Path(file.name).read_bytes() != content:
            raise OSError(errno.EIO, "other bytes are read back than were written", str(path))


def write_text(path: str | Path, content: str) -> None:
    """Write `content` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, content.encode())


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
