"""Zip files: equal content makes equal bytes, and a damaged file is refused."""

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from hdc.runtime.atomic_files import write_bytes
from hdc.runtime.errors import InputError

_TAIL = 22 + 2**16  # bytes at the end of a .zip that hold how many entries it has
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that there is
# RuntimeError: zipfile says so of a password and of an unknown method.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
           ValueError, RuntimeError)  # fmt: skip


def write_zip(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write contents by their paths, whole or not at all; equal ones make equal bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = 3  # Unix, whatever it is made on
            entry.external_attr = 0o644 << 16  # others may read what is unpacked
            file.writestr(entry, contents[name], zipfile.ZIP_DEFLATED, compresslevel=9)
    write_bytes(path, packed.getvalue())


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip file, read in full once; raises InputError if it is damaged."""
    try:
        file = zipfile.ZipFile(path)
        require_count(path, len(set(file.namelist())))
        damaged = file.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"damaged: {damaged}")
    except _DAMAGE as error:
        raise InputError(
            f"{path}: expected a whole zip, found {error!r}; fetch or make it again"
        ) from error
    return file


def require_count(path: Path, readable: int) -> None:
    """Refuse a .zip that says it has more entries: a damaged length in its list hides the next."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read()
    [count] = struct.unpack_from("<H", tail, tail.rfind(b"PK\x05\x06") + 10)
    if count not in (readable, 0xFFFF):  # 65,535: too many for this field
        raise zipfile.BadZipFile(f"it says that it has {count} entries, {readable} can be read")
