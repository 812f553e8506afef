"""JSON files that tell whether they are still as they were written."""

import json
from pathlib import Path
from typing import Any

from hdc.runtime.atomic_files import write_text
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError

_SEAL = '{{"checksum": "{}", '  # before everything else in the file


def sealed(content: dict[str, Any]) -> str:
    """`content`, which has a key at least, as JSON with a checksum."""
    body = json.dumps(content)
    return _SEAL.format(digest(body)) + body[1:]


def write_sealed(path: str | Path, content: dict[str, Any]) -> None:
    """Write `content` with a checksum, whole or not at all."""
    write_text(path, sealed(content))


def read_sealed(path: str | Path, *, remedy: str) -> dict[str, Any]:
    """What `write_sealed` wrote.

    An object without a checksum is taken as it is: earlier versions wrote none. Raises InputError
    that ends in `remedy` for anything else, such as a file that is cut short or has a bit flipped.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode()
        content = json.loads(text)
    except ValueError as error:  # also what is not UTF-8
        raise InputError(f"{path}: expected JSON, found damage ({error}); {remedy}") from None
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise InputError(f"{path}: expected JSON of an object, found a {kind}; {remedy}")
    checksum = content.pop("checksum", None)
    seal = _SEAL.format(checksum)
    whole = text.startswith(seal) and digest("{" + text[len(seal) :]) == checksum
    if checksum is not None and not whole:
        raise InputError(
            f"{path}: expected the file as it was written, found another (its checksum differs); "
            f"{remedy}"
        )
    return content
