"""Files of tensors with facts about them and a checksum of both, read without torch."""

import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from hdc.runtime.atomic_files import write_bytes
from hdc.runtime.errors import InputError

CHECKSUM = "sha256"  # its name among the facts in the file; older files have none
_FORM = re.compile("[0-9a-f]{64}")
_CHUNK = 2**20  # bytes; features may be larger than memory


def write_tensors(
    path: str | Path, save: Callable[[dict[str, str]], bytes], facts: dict[str, Any]
) -> None:
    """Write tensors with `facts` and a checksum as sorted JSON under the one key `hdc`.

    `save` gives the bytes of safetensors that hold some metadata. One key, because safetensors
    writes several in random order, and equal runs are to give equal bytes.
    """
    checksum = _checksum(io.BytesIO(save(_metadata(facts))))
    write_bytes(path, save(_metadata(facts | {CHECKSUM: checksum})))


def read_facts(path: str | Path) -> Any:
    """The facts in a file of tensors, without the checksum; None if it is no file of `hdc`.

    Raises InputError if the checksum tells that a name, a fact or a number has changed since.
    """
    try:
        with safe_open(path, "np") as file:
            facts = json.loads((file.metadata() or {}).get("hdc", "null"))
    except (SafetensorError, ValueError, RecursionError):
        return None
    if isinstance(facts, dict) and _has_checksum(facts):
        with Path(path).open("rb") as file:
            checksum = _checksum(file)
        if facts.pop(CHECKSUM, None) != checksum:
            raise InputError(
                f"{path}: expected the bytes that were written, found others, as its checksum "
                "tells; it is damaged: delete it, then make or copy it again"
            )
    return facts


def _has_checksum(facts: dict[str, Any]) -> bool:
    """Whether a checksum was written, told by its name or its form: one of them may be damaged."""
    return CHECKSUM in facts or any(_FORM.fullmatch(str(value)) for value in facts.values())


def _metadata(facts: dict[str, Any]) -> dict[str, str]:
    return {"hdc": json.dumps(facts, sort_keys=True)}


def _checksum(file: io.BufferedIOBase) -> str:
    """The checksum of everything in a file of safetensors except the checksum itself."""
    header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    facts = json.loads(header["__metadata__"].pop("hdc"))
    facts.pop(CHECKSUM, None)
    checksum = hashlib.sha256(json.dumps([header, facts], sort_keys=True).encode())
    while chunk := file.read(_CHUNK):
        checksum.update(chunk)
    return checksum.hexdigest()
