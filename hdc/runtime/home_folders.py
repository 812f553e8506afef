"""Paths as a person writes them: `~` stands for a home folder, wherever no shell has read it."""

from pathlib import Path

from hdc.runtime.errors import InputError


def expanded(path: str, where: str) -> str:
    """`path` with a leading `~` or `~user` replaced by that home folder, else as it is.

    `where` is the key or argument that names it. Raises InputError if there is no such home: a
    folder called `~user` would be made instead.
    """
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError as error:
        raise InputError(
            f"{where}: expected a path, got {path}, which begins with the home folder of nobody "
            f"here; write ./{path} if a file or folder has that name"
        ) from error
