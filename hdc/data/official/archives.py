"""Unpacks the archives of a data set, whole or not at all, and never outside its folder."""

import errno
import filecmp
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory

from hdc.data.official.rar import (
    FILE,
    FOLDER,
    INSTALL,
    RAR_TOOLS,
    DamageError,
    Entry,
    ToolError,
    require_rar_tool,
    run,
)
from hdc.runtime.errors import InputError
from hdc.runtime.progress import progress
from hdc.runtime.zip_files import require_count

_BLOCK = 2**20  # bytes
# RuntimeError: zipfile says so of a password and of an unknown method.
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError)


def unpack(archive: Path, folder: Path, *, nested: bool = False) -> None:
    """Unpack a .zip, .tar, .tar.gz, .tgz or .rar into `folder`, which is made if it is missing.

    Everything is unpacked beside `folder` and moved when all of it is sound; what is there already
    with the same content stays. `nested`: it holds .rar files, and what these hold is unpacked in
    its place; otherwise they are files like others.
    Raises InputError for a missing, unknown or damaged archive, for an entry that is a link or a
    device, stands twice or would land outside `folder`, for a file that is there already with other
    content, for a .rar without a program to read it, and where `folder` cannot be written.
    """
    archive, folder = Path(archive), Path(folder).resolve()
    unpacker = _unpacker(archive)
    if not archive.is_file():
        raise InputError(f"{archive}: expected an archive, found no such file")
    with writing_to(folder), _temporary_folder(folder) as temporary:
        whole = temporary / "whole"
        _extract(unpacker, archive, whole)
        parts = _extract_nested(archive, whole, temporary) if nested else [whole]
        _move(archive, parts, folder)


def _extract(unpacker: Callable[[Path, Path], None], archive: Path, folder: Path) -> None:
    folder.mkdir()
    unpacker(archive, folder)
    _require_plain_files(archive, folder)


def _extract_nested(archive: Path, whole: Path, temporary: Path) -> list[Path]:
    """Unpack each .rar below `whole` into a folder of its own; returns these folders."""
    inner, parts, entries = sorted(whole.rglob("*.rar")), [], []
    for path in progress(inner, total=len(inner), unit="archive", what=archive.name):
        part = temporary / f"part{len(parts)}"
        try:
            _extract(_unrar, path, part)
        except InputError as error:  # its path will be gone when the message is read
            raise InputError(f"{archive}: {str(error).removeprefix(f'{whole}/')}") from error
        entries += [
            Entry(member.relative_to(part).as_posix(), FOLDER if member.is_dir() else FILE)
            for member in part.rglob("*")
        ]
        parts.append(part)
    _require_once(archive, entries)
    return parts


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Report a full disk or a folder that cannot be written as InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{folder}: expected a folder with room to write, got: {error}") from error


def _unpacker(archive: Path) -> Callable[[Path, Path], None]:
    for suffix, unpacker in _UNPACKERS.items():
        if archive.name.lower().endswith(suffix):
            return unpacker
    raise InputError(
        f"{archive}: expected one of {', '.join(_UNPACKERS)}, got another kind of file"
    )


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """An empty folder on the same disk, so that moving into `folder` copies nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = not folder.is_mount() and os.access(folder.parent, os.W_OK)
    place = folder.parent if beside else folder
    with TemporaryDirectory(prefix=f".{folder.name}.", suffix=".unpacking", dir=place) as name:
        yield Path(name)


def _unzip(archive: Path, temporary: Path) -> None:
    with _damage_reported(archive), zipfile.ZipFile(archive) as file:
        # The original name: zipfile itself cuts names short and makes them harmless in silence.
        entries = [Entry(info.orig_filename, _zip_kind(info)) for info in file.infolist()]
        _require_harmless(archive, entries)
        require_count(archive, len(entries))
        file.extractall(temporary)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "a link or a device"
    return FOLDER if info.is_dir() else FILE


def _untar(archive: Path, temporary: Path) -> None:
    with _damage_reported(archive), tarfile.open(archive) as file:
        _require_harmless(archive, [Entry(member.name, _tar_kind(member)) for member in file])
        _require_end(file)
        # Python 3.11.0 to 3.11.3 have no filters; what they stop is refused above already.
        filters = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        file.extractall(temporary, **filters)


def _require_end(file: tarfile.TarFile) -> None:
    """Refuse a .tar after whose last entry comes anything but zeros: tarfile takes it for the end.

    All of it is read, for gzip and others compare their checksum at the last byte.
    """
    file.fileobj.seek(file.offset)
    ended = False
    while block := file.fileobj.read(_BLOCK):
        if block.strip(b"\0"):
            raise tarfile.ReadError("what follows its last entry is neither an entry nor its end")
        ended = True
    if not ended:
        raise tarfile.ReadError("its end is missing")


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return FOLDER
    return FILE if member.isfile() else "a link or a device"


@contextmanager
def _damage_reported(archive: Path) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGE, OSError) as error:
        # An OSError with a number is the disk's, one without is gzip's; a wrong place to read from
        # has a number, too.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = str(error).split("\n")[0].rstrip(":") or type(error).__name__
        raise InputError(
            f"{archive}: expected a sound archive, found a damaged one ({reason}); delete it and "
            "get it again"
        ) from error


def _unrar(archive: Path, temporary: Path) -> None:
    """Try the installed programs in turn: none of them reads every kind of .rar file."""
    failures = []
    for tool in require_rar_tool():
        lists, command = RAR_TOOLS[tool]
        try:
            entries = lists(str(archive.resolve()))
            _require_harmless(archive, entries)
            run([tool, *command(str(archive.resolve()), str(temporary))])
            _require_as_many(entries, temporary)
            return
        except ToolError as error:
            failures.append(f"{tool}: {error}")
            if isinstance(error, DamageError):
                break  # another program may unpack it without comparing checksums
        shutil.rmtree(temporary)
        temporary.mkdir()
    raise InputError(
        f"{archive}: expected a sound archive, found one that cannot be read "
        f"({'; '.join(failures)}); get it again, or if it is sound {INSTALL}"
    )


def _require_as_many(entries: Iterable[Entry], temporary: Path) -> None:
    """Refuse an incomplete result: some programs skip what they cannot read and report success."""
    listed = sum(entry.kind == FILE for entry in entries)
    unpacked = sum(len(files) for _, _, files in os.walk(temporary))
    if not entries or listed != unpacked:
        raise ToolError(f"lists {listed} files, unpacks {unpacked}")


def _require_harmless(archive: Path, entries: Sequence[Entry]) -> None:
    """Refuse links, devices and names that lead out of the folder, as any system reads them.

    Also refuses names that stand twice.
    """
    for name, kind in entries:
        if kind not in (FILE, FOLDER):
            raise InputError(f"{archive}: expected files and folders, found {name!r} as {kind}")
        path = PureWindowsPath(name)  # knows drives, and both kinds of slash
        if path.anchor or ".." in path.parts or not name or set(name) & set("\\\0"):
            raise InputError(f"{archive}: expected names inside its folder, found {name!r}")
    _require_once(archive, entries)


def _require_once(archive: Path, entries: Sequence[Entry]) -> None:
    """Refuse two entries of one name: one would replace the other."""
    files = Counter(PurePosixPath(name) for name, kind in entries if kind == FILE)
    folders = {PurePosixPath(name) for name, kind in entries if kind == FOLDER}
    folders |= {folder for file in files for folder in file.parents}
    twice = sorted(path for path, count in files.items() if count > 1 or path in folders)
    if twice:
        raise InputError(
            f"{archive}: expected every name once, found {str(twice[0])!r} twice; unpack it by "
            "hand and keep what is right"
        )


def _require_plain_files(archive: Path, temporary: Path) -> None:
    """Refuse anything but plain files and folders; set the permissions of all of them."""
    for root, folders, files in os.walk(temporary):
        for name in (*folders, *files):
            path = Path(root, name)
            state = path.lstat()
            linked = stat.S_ISREG(state.st_mode) and state.st_nlink > 1
            if linked or not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
                entry = path.relative_to(temporary).as_posix()
                raise InputError(
                    f"{archive}: expected files and folders, found {entry!r} as a link or a device"
                )
            # An archive may hold folders that nobody can enter, and bits such as set-user-id.
            path.chmod(state.st_mode & 0o777 | (0o700 if name in folders else 0o600))


def _move(archive: Path, parts: Sequence[Path], folder: Path) -> None:
    """Move what lies in `parts` into place; nothing moves if it would replace another content."""
    moves = [
        (path, folder / path.relative_to(part))
        for part in parts
        for path in sorted(part.rglob("*"))
    ]
    for path, target in moves:
        if not _fits(path, target, folder):
            raise InputError(
                f"{archive}: expected no file at {target} or one with the same content, found "
                "another; move it away"
            )
    folder.mkdir(exist_ok=True)
    for path, target in moves:
        if path.is_dir():
            target.mkdir(exist_ok=True)
        elif not target.exists():
            path.rename(target)


def _fits(path: Path, target: Path, folder: Path) -> bool:
    # A link in the folder may lead out of it.
    if not target.parent.resolve().is_relative_to(folder):
        return False
    if not os.path.lexists(target):
        return True
    if path.is_dir():
        return target.is_dir()
    return target.is_file() and filecmp.cmp(path, target, shallow=False)


_UNPACKERS = {".zip": _unzip, ".tar": _untar, ".tar.gz": _untar, ".tgz": _untar, ".rar": _unrar}
