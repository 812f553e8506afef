"""The GPUs of this machine: which are visible, which are free, and whether bf16 works on them.

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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from hdc.runtime.errors import InputError

if TYPE_CHECKING:
    import torch

DRIVER = Path("/proc/driver/nvidia/gpus")
LOCKS = Path("/tmp/hdc-gpus")  # not TMPDIR: it may differ between users, and a lock must not
_VARIABLE = "CUDA_VISIBLE_DEVICES"
_claimed: dict[str, int] = {}  # GPU to the descriptor of its locked file, for as long as we live

TOLERANCE = 0.02  # relative; a sound bf16 layer is off by 0.002 to 0.004, a broken one by far more
SLOW = 1.5  # bf16 / fp32; where tensor cores are used it is about a half
LARGE = 2.0
_REPEATS = 3
# A batch of the first stage of R3D-18. Wrong results were seen above 2 ** 31 bytes only, so as many
# clips as half of the free memory holds, up to the size of the bug report (pytorch#163539).
_GPU_CLIP, _GPU_CLIPS = (64, 16, 56, 56), 576
_CPU_CLIP, _CPU_CLIPS = (8, 4, 14, 14), 2
_BYTES_PER_VALUE = 20  # of clips, outputs in both precisions, and cuDNN's copies of them


@dataclass(frozen=True)
class Conv3dCheck:
    """A `Conv3d` with its weight gradient, under bf16 autocast against fp32 (TF32 as it is set)."""

    forward_error: float  # relative, of the clip that is off most
    gradient_error: float  # relative
    time_ratio: float  # bf16 / fp32
    memory_ratio: float | None  # of the peaks; None on a processor
    warning: str | None


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
    those, so they are used without looking at locks or taking any.
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
        for descriptor in taken.values():
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


def _take(visible: list[str], count: int) -> tuple[dict[str, int], list[str]]:
    """Lock up to `count` GPUs: their descriptors, and a text for each that another holds.

    Raises InputError if the folder of locks cannot be used.
    """
    taken: dict[str, int] = {}
    holders: list[str] = []
    try:
        with _alone():
            for gpu in visible:
                if len(taken) == count:
                    break
                descriptor = _open(LOCKS / re.sub(r"[^\w-]", "_", gpu))
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    holders.append(f"{gpu} is used by {_holder(descriptor)}")
                    os.close(descriptor)
                    continue
                _sign(descriptor)
                taken[gpu] = descriptor
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
    for descriptor in _claimed.values():
        os.close(descriptor)
    _claimed.clear()


os.register_at_fork(after_in_child=_let_go)


def check_conv3d(device: "torch.device") -> Conv3dCheck:
    """Value, time and memory of one `Conv3d` in bf16 against fp32, on a GPU or a processor.

    bf16 was silently wrong with cuDNN 9.8 to 9.10, and 4 to 20 times as slow in torch 2.9.
    """
    import torch

    forward, gradient, duration, memory = _compare(device)
    if device.type == "cuda":
        torch.cuda.empty_cache()  # other processes may need it
    problems = []
    for error, what in ((forward, "output"), (gradient, "weight gradient")):
        if not error <= TOLERANCE:  # so that NaN is a problem, too
            problems.append(f"is off by {error:.1%} in its {what}")
    if duration > SLOW:
        problems.append(f"takes {duration:.1f} times as long")
    if memory is not None and memory > LARGE:
        problems.append(f"takes {memory:.1f} times the memory")
    warning = (
        f"bf16 {' and '.join(problems)}; install a torch with cuDNN 9.15 or newer, "
        "or set precision to 32-true"
    )
    return Conv3dCheck(forward, gradient, duration, memory, warning if problems else None)


def _compare(device: "torch.device") -> tuple[float, float, float, float | None]:
    """Errors of output and weight gradient, and ratios of time and peak memory."""
    import torch

    clip, most = (_GPU_CLIP, _GPU_CLIPS) if device.type == "cuda" else (_CPU_CLIP, _CPU_CLIPS)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        most = max(1, min(most, free // 2 // (_BYTES_PER_VALUE * torch.Size(clip).numel())))
    channels = clip[0]
    generator = torch.Generator(device).manual_seed(0)
    clips = torch.randn(most, *clip, device=device, generator=generator)
    weight = torch.randn(channels, channels, 3, 3, 3, device=device, generator=generator)
    weight /= (27 * channels) ** 0.5

    exact, exact_gradient, *_ = _step(clips, weight, bf16=False)
    rounded, rounded_gradient, *_ = _step(clips, weight, bf16=True)
    # Clip by clip: the wrong values of the report were some of many.
    forward = torch.stack([_distance(*pair) for pair in zip(rounded, exact, strict=True)]).max()
    gradient = _distance(rounded_gradient, exact_gradient)
    del exact, rounded
    steps = [
        [_step(clips, weight, bf16=bf16)[2:] for bf16 in (True, False)] for _ in range(_REPEATS)
    ]
    duration = median(ours[0] / theirs[0] for ours, theirs in steps)
    memory = None
    if device.type == "cuda":
        memory = median(ours[1] / theirs[1] for ours, theirs in steps)
    return forward.item(), gradient.item(), duration, memory


def _step(
    clips: "torch.Tensor", weight: "torch.Tensor", *, bf16: bool
) -> tuple["torch.Tensor", "torch.Tensor", float, int]:
    """Output, gradient of half its sum of squares, seconds and peak memory beyond what was held."""
    import torch

    device = clips.device
    weight = weight.clone().requires_grad_()
    held = peak = 0
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
    started = time.perf_counter()
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        output = torch.nn.functional.conv3d(clips, weight, padding=1)
    output.backward(output.detach())
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        peak = torch.cuda.max_memory_allocated(device) - held
    return output.detach(), weight.grad, time.perf_counter() - started, peak


def _distance(result: "torch.Tensor", expected: "torch.Tensor") -> "torch.Tensor":
    return (result.float() - expected).norm() / expected.norm()
