"""Makes archives as nobody should, and checks that they are refused."""

import io
import stat
import struct
import tarfile
import zipfile
import zlib

import pytest

from hdc.data.official.archives import unpack
from hdc.runtime.errors import InputError

LINK, PLAIN = stat.S_IFLNK | 0o777, stat.S_IFREG | 0o644


def make_zip(path, entries, *, mode=PLAIN):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename, info.external_attr = name, mode << 16
            file.writestr(info, content)
    return path


def make_tar(path, entries, *, kind=tarfile.REGTYPE, link="", mode="w:gz"):
    with tarfile.open(path, mode) as file:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, link
            file.addfile(info, io.BytesIO(content))
    return path


def make_rar(path, entries, *, mode=PLAIN):
    """A .rar of version 4 with stored files, by hand: what writes them is not free."""

    def block(kind, flags, fields, content=b""):
        head = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
        return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + content

    blocks = [block(0x73, 0, bytes(6))]
    for name, content in entries.items():
        name = name.encode()
        fields = (len(content), len(content), 3, zlib.crc32(content), 0x5A210000, 20, 0x30)
        head = struct.pack("<IIBIIBBHI", *fields, len(name), mode) + name
        blocks.append(block(0x74, 0x8000, head, content))
    path.write_bytes(b"Rar!\x1a\x07\x00" + b"".join(blocks) + block(0x7B, 0x4000, b""))
    return path


MAKERS = {"a.zip": make_zip, "a.tar": make_tar, "a.tar.gz": make_tar, "a.tgz": make_tar}


def contents(folder):
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def refused(archive, folder, match):
    """The archive is refused with one line that names it, and nothing is left anywhere."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(InputError, match=match) as caught:
        unpack(archive, folder)
    assert str(archive.name) in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(archive.parent.rglob("*")) == before
