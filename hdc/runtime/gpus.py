"""The GPUs of this machine: which are visible, and which are free.

Snakemake knows how many GPU jobs may run and never says which GPU is whose: each process claims its
own, by a lock that every process of the machine sees. Importing this module is cheap: no torch.
"""

import fcntl
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from hdc.runtime.errors import InputError

if TYPE_CHECKING:
    pass

DRIVER = Path("/proc/driver/nvidia/gpus")
LOCKS = Path("/tmp/hdc-gpus")  # not TMPDIR: it may differ between users, and a lock must not
SHARE = "HDC_GPU_SHARE"  # jobs that may use a GPU at a time; a large one is idle with a small one
_VARIABLE = "CUDA_VISIBLE_DEVICES"
_claimed: dict[str, list[int]] = {}  # GPU to descriptors of locked files, for as long as we live


def visible_gpus() -> list[str]:
    """The GPUs this process may use, as entries for CUDA_VISIBLE_DEVICES.

    Those that the variable names, read as CUDA reads it: up to the first that is no GPU, and none
    if one is named twice. Unset: all that the driver knows.
    """
    named = os.environ.get(_VARIABLE)
    if named is None:
        return [str(number) for number in range(_installed())]
    entries: list[str] = []
    for entry in map(str.strip, named.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", entry):
            break
        entries.append(entry)
    return entries if len(set(entries)) == len(entries) else []


@cache
def _installed() -> int:
    """How many GPUs the driver knows; 0 without one."""
    with suppress(OSError):
        return len(list(DRIVER.iterdir()))
    try:  # WSL and some containers have no such folder
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def gpu_share() -> int:
    """How many jobs may share a GPU, as the variable HDC_GPU_SHARE says: one without it.

    Raises InputError if it is no number of 1 or more.
    """
    text = os.environ.get(SHARE, "1")
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{SHARE}: expected a number of 1 or more, found {text!r}")
    return int(text)


def driver_version() -> str:
    """The version of NVIDIA's driver, in words where it is not known."""
    with suppress(OSError):
        text = DRIVER.with_name("version").read_text()
        if match := re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", text):
            return match[1]
    return "of a version that cannot be read"


def claim_gpus(count: int) -> list[str]:
    """Take `count` free GPUs for as long as this process lives, and show CUDA no others.

    Sets CUDA_VISIBLE_DEVICES, so it comes before anything that starts CUDA. The locks die with the
    process, however it ends. Nothing is done, and what is visible returned, where there is no GPU;
    in a process that a launcher started (LOCAL_RANK is set), for the launcher's parent claimed; and
    where CUDA_VISIBLE_DEVICES names exactly `count`: a person or a scheduler such as Slurm assigned
    those, so they are used without looking at locks or taking any. Where GPUs are shared
    (`gpu_share`), work for one GPU takes a share of one; work for several takes them whole.
    Raises InputError that names the holders if fewer are free.
    """
    visible = visible_gpus()
    assigned = _VARIABLE in os.environ
    if not visible or "LOCAL_RANK" in os.environ or (assigned and len(visible) == count):
        return visible
    if len(visible) < count:
        raise InputError(
            f"expected {count} GPUs, found {len(visible)} ({', '.join(visible)}); "
            "lower progress.devices"
        )
    taken, holders = _take(visible, count)
    if len(taken) < count:
        for descriptor in chain(*taken.values()):
            os.close(descriptor)
        raise InputError(
            f"expected {count} free of the GPUs {', '.join(visible)}, found {len(taken)}: "
            f"{'; '.join(holders)}; wait until one is free, or name the GPUs to use all the same "
            f"in {_VARIABLE}"
        )
    _claimed.update(taken)
    if not assigned:  # CUDA's own order may differ from that of nvidia-smi
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    os.environ[_VARIABLE] = ",".join(taken)
    return list(taken)


def _places(visible: list[str], count: int) -> Iterator[tuple[str, int | None]]:
    """What may be taken: whole GPUs (None), or shares, the first of every GPU before any second."""
    shares = gpu_share()
    numbers = range(1, shares + 1) if count == 1 and shares > 1 else [None]
    yield from ((gpu, number) for number in numbers for gpu in visible)


def _lock(gpu: str, share: int | None) -> tuple[list[int], str | None]:
    """Descriptors of the locks of a GPU or of a share of it; none and who holds it, if it is taken.

    Those who share a GPU hold its lock together, so that nobody takes it whole meanwhile.
    """
    name = re.sub(r"[^\w-]", "_", gpu)
    wanted = [(name, fcntl.LOCK_EX)]
    if share is not None:
        wanted = [(name, fcntl.LOCK_SH), (f"{name}.{share}", fcntl.LOCK_EX)]
    held: list[int] = []
    for file, kind in wanted:
        held.append(_open(LOCKS / file))
        try:
            fcntl.flock(held[-1], kind | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(held[-1])
            for descriptor in held:
                os.close(descriptor)
            return [], holder
    for descriptor in held:
        _sign(descriptor)
    return held, None


def _take(visible: list[str], count: int) -> tuple[dict[str, list[int]], list[str]]:
    """Lock up to `count` GPUs: their descriptors, and a text for each that another holds.

    Raises InputError if the folder of locks cannot be used.
    """
    taken: dict[str, list[int]] = {}
    holders: list[str] = []
    try:
        with _alone():
            for gpu, share in _places(visible, count):
                if len(taken) == count:
                    break
                held, holder = _lock(gpu, share)
                if holder is None:
                    taken[gpu] = held
                else:
                    holders.append(f"{gpu} is used by {holder}")
    except OSError as error:
        raise InputError(
            f"{LOCKS}: expected to lock a GPU there, found: {error}; mend that, or name the GPUs "
            f"to use in {_VARIABLE}"
        ) from None
    return taken, holders


@contextmanager
def _alone() -> Iterator[None]:
    """While the block runs, no other process claims: two that want all would each get half."""
    mask = os.umask(0)
    try:
        LOCKS.mkdir(mode=0o1777, exist_ok=True)
    finally:
        os.umask(mask)
    folder = os.open(LOCKS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _open(path: Path) -> int:
    """A lock file that every user may lock; it is never removed."""
    flags = os.O_RDWR | os.O_NOFOLLOW
    try:
        # In a sticky folder the kernel may refuse O_CREAT on another user's file.
        return os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL)
        os.fchmod(descriptor, 0o666)
        return descriptor


def _sign(descriptor: int) -> None:
    """Write down who holds a lock; the lock holds without it, so a full disk stops nobody."""
    me = {"host": socket.gethostname(), "process": os.getpid(), "since": time.ctime()}
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(me).encode(), 0)


def _holder(descriptor: int) -> str:
    """Who holds a lock, as far as it is written there."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {holder['process']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _let_go() -> None:
    """In a forked child: it would hold its parent's locks for longer than the parent."""
    for descriptor in chain(*_claimed.values()):
        os.close(descriptor)
    _claimed.clear()


os.register_at_fork(after_in_child=_let_go)
