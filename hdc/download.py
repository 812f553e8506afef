"""Download a data set from its official address, check it and unpack it.

What is there already is not fetched again, and a download that broke off goes on where it stopped.
"""

import argparse
import hashlib
import logging
import math
import os
import re
import shutil
import ssl
import stat
import sys
import time
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError

from hdc.data.official.addresses import DATASETS, ELSEWHERE, Archive
from hdc.data.official.archives import unpack, writing_to
from hdc.data.official.rar import require_rar_tool
from hdc.runtime.atomic_files import write_text
from hdc.runtime.errors import InputError
from hdc.runtime.home_folders import expanded
from hdc.runtime.progress import progress

WAITS = (1, 5, 15, 60)  # seconds between five tries
TIMEOUT = 60  # seconds without a byte
CHUNK = 2**20
_NETWORK = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
_RETRIED_STATUS = (408, 416, 425, 429)  # of those that blame the request


def main() -> None:
    """Download what the command line names; bad input exits with 1 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m hdc.download",
        description=__doc__,
        epilog=_table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = (*DATASETS, *ELSEWHERE)
    parser.add_argument("dataset", choices=names, metavar="DATASET", help=", ".join(names))
    parser.add_argument("folder", metavar="FOLDER", help="where it goes; made if missing")
    parser.add_argument(
        "--no-check-certificate",
        action="store_true",
        help="do not verify who the server is; what it sends must still have the known sha256",
    )
    given = parser.parse_args()
    try:
        folder = Path(expanded(given.folder, "FOLDER"))
        download(given.dataset, folder, check_certificate=not given.no_check_certificate)
    except InputError as error:
        sys.exit(f"error: {error}")


def _table() -> str:
    """What is downloaded, for the help."""
    lines = ["what is downloaded:"]
    for name, archives in DATASETS.items():
        for archive in archives:
            size = f"{archive.size / 1e6:,.1f} MB" if archive.size else "size unknown"
            lines.append(f"  {name:<10} {archive.name}, {archive.about} ({size})")
    lines += [f"  {name:<10} is not: {text}" for name, text in ELSEWHERE.items()]
    return "\n".join(lines)


def download(name: str, folder: Path, *, check_certificate: bool = True) -> None:
    """Download and unpack the data set `name` into `folder`, which is made if it is missing.

    An archive that someone put into `folder` by hand is checked and taken. `check_certificate`
    says whether to verify who the server is. Once unpacked, an archive may be deleted.
    Raises InputError for an unknown data set, a full disk, a missing program for .rar files, a part
    of an archive that is a link, an archive that no address serves, one of another size or sha256,
    and one that cannot be unpacked.
    """
    if name in ELSEWHERE:
        raise InputError(f"{name}: {ELSEWHERE[name]}")
    if name not in DATASETS:
        raise InputError(f"expected one of {', '.join((*DATASETS, *ELSEWHERE))}, got {name}")
    folder = Path(folder)
    missing = [archive for archive in DATASETS[name] if not _is_unpacked(archive, folder)]
    # Before hours of downloading, not after.
    if any(archive.name.endswith(".rar") for archive in missing):
        require_rar_tool()
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _require_space(missing, folder)
        for archive in missing:
            _require_own(_part(archive, folder))
        for archive in missing:
            sha256 = _fetch(archive, folder, check_certificate)
            print(f"{archive.name}: unpacking", flush=True)
            unpack(folder / archive.name, folder, nested=archive.nested)
            write_text(_marker(archive, folder), f"{sha256}\n")
    print(f"{folder}: {name} is complete; the archives may be deleted")


def _marker(archive: Archive, folder: Path) -> Path:
    """A file that says that an archive is unpacked, and which one: its sha256."""
    return folder / f".{archive.name}.unpacked"


def _is_unpacked(archive: Archive, folder: Path) -> bool:
    marker = _marker(archive, folder)
    return marker.is_file() and archive.sha256 in (None, marker.read_text().strip())


def _require_space(archives: Sequence[Archive], folder: Path) -> None:
    """Refuse a disk that cannot hold what is missing, as far as sizes are known."""
    needed = 0
    for archive in archives:
        there = max(_size(folder / archive.name), _size(_part(archive, folder)))
        # Videos are compressed already: unpacked they take about the size of the archive.
        copies = 2 if archive.nested else 1
        needed += max((archive.size or 0) - there, 0) + copies * (archive.size or 0)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder}: expected {needed / 1e9:.1f} GB of free space for download and unpacking, "
            f"found {free / 1e9:.1f} GB; make room or take another folder"
        )


def _require_own(part: Path) -> None:
    """Refuse to go on with what is a link to another file, which would be written into."""
    state = part.lstat() if os.path.lexists(part) else None
    if state and (not stat.S_ISREG(state.st_mode) or state.st_nlink > 1):
        raise InputError(
            f"{part}: expected the beginning of a download, found a link or no file at all; delete "
            "it and run it again"
        )


def _part(archive: Archive, folder: Path) -> Path:
    return folder / f"{archive.name}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _fetch(archive: Archive, folder: Path, check_certificate: bool) -> str:
    """Have the archive whole in the folder, from the first address that serves it; its sha256."""
    path = folder / archive.name
    if path.is_file():
        return _require_sound(path, archive)
    part, failures = _part(archive, folder), []
    for url in archive.urls:
        try:
            _stream_with_retries(url, part, archive, _context(archive, check_certificate))
            sha256 = _require_sound(part, archive)
        except InputError as error:
            failures.append(str(error))
        else:
            part.rename(path)
            return sha256
    raise InputError("; ".join(failures))


def _context(archive: Archive, check_certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not check_certificate:
        if archive.sha256 is None:
            raise InputError(
                f"{archive.name}: expected a known sha256 where the certificate is not checked, "
                "found none; leave out --no-check-certificate"
            )
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _stream_with_retries(url: str, part: Path, archive: Archive, context: ssl.SSLContext) -> None:
    """Complete `part` from `url`; raises InputError once it is clear that it will not work."""
    for wait in (*WAITS, None):
        try:
            _stream(url, part, archive, context)
            return
        except _NETWORK as error:
            reason = f"{error}" or type(error).__name__
            if _is_final(error) or wait is None:
                raise InputError(f"{url}: {_advice(error, reason, part)}") from error
        logging.warning("%s: %s; trying again in %s s", url, reason, wait)
        time.sleep(wait)


def _is_final(error: Exception) -> bool:
    """Whether another try is no use."""
    if isinstance(error, HTTPError):
        return 400 <= error.code < 500 and error.code not in _RETRIED_STATUS
    return isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)


def _advice(error: Exception, reason: str, part: Path) -> str:
    if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
        return (
            f"expected a certificate that can be verified, got: {reason}; use "
            "--no-check-certificate, the sha256 is checked all the same"
        )
    if _is_final(error):
        name = part.name.removesuffix(".part")
        return f"expected a file, got: {reason}; put {name} into {part.parent} by hand"
    return (
        f"expected the whole file, got: {reason}; run it again, it goes on at {_size(part)} bytes"
    )


def _stream(url: str, part: Path, archive: Archive, context: ssl.SSLContext) -> None:
    """Append to `part` what is missing, or write it anew where the server sends no ranges.

    Raises one of _NETWORK if it ends too early, InputError if it is another file.
    """
    offset = _size(part)
    if archive.size is not None and offset >= archive.size:
        return  # whole, or too long, which the check of its size says
    headers = {"User-Agent": "hdc"}  # some servers refuse Python's own
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.urlopen(request, timeout=TIMEOUT, context=context)
    except HTTPError as error:
        with error:
            if error.code == 416 and _total(error) == offset:
                return
            if error.code == 416:
                part.unlink(missing_ok=True)
            raise
    with response:
        _save(url, response, part, archive)


def _total(response: HTTPResponse | HTTPError) -> int | None:
    """The size of the whole file, as the server states it."""
    match = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    if match:
        return int(match[1])
    length = response.headers.get("Content-Length", "")
    return int(length) if response.status == 200 and length.isdecimal() else None


def _save(url: str, response: HTTPResponse, part: Path, archive: Archive) -> None:
    offset = _size(part) if response.status == 206 else 0
    start = response.headers.get("Content-Range", "").removeprefix("bytes ")
    if response.status == 206 and not start.startswith(f"{offset}-"):
        raise HTTPException(f"asked for the bytes from {offset} on, was sent {start}")
    total = _total(response) or archive.size
    if archive.size not in (None, total):
        raise InputError(f"{url}: expected {archive.size} bytes, got a file of {total}")
    chunks = iter(lambda: response.read(CHUNK), b"")
    steps = math.ceil((total - offset) / CHUNK) if total else 0
    with part.open("ab" if offset else "wb") as file:
        for chunk in progress(chunks, total=steps, unit="MiB", what=archive.name):
            if total and file.tell() + len(chunk) > total:
                part.unlink()
                raise InputError(
                    f"{url}: expected {total} bytes, was sent more; what came is deleted, put "
                    f"{archive.name} into {part.parent} by hand"
                )
            file.write(chunk)
    if total and _size(part) < total:
        raise ConnectionError(f"the connection broke off after {_size(part)} of {total} bytes")


def _require_sound(path: Path, archive: Archive) -> str:
    """The sha256 of a file; refuses another size or sha256 than the known one.

    What was downloaded is then removed, since it could not be completed; what someone put there is
    left.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    known = (("bytes", archive.size, _size(path)), ("sha256", archive.sha256, sha256))
    for what, expected, actual in known:
        if expected not in (None, actual):
            ours = path.suffix == ".part"
            if ours:
                path.unlink()
            advice = "it is deleted" if ours else "delete it and run it again"
            raise InputError(f"{path}: expected {what} {expected}, found {actual}; {advice}")
    judged = "as expected" if archive.sha256 else "compare it with what others have"
    print(f"{archive.name}: sha256 {sha256}, {judged}", flush=True)
    return sha256


if __name__ == "__main__":
    main()
