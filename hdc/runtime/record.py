"""What every JSON record holds beside its numbers: settings, commit, versions, device, cost."""

import json
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hdc.runtime.atomic_files import write_text

PACKAGES = ("hdc", "torch", "torchvision", "timm", "av", "numpy", "scikit-learn", "snakemake")


class Stopwatch:
    """When a job began, and which code it runs."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.commit, self.modified = _commit()

    def seconds(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self.started


def write_record(
    path: str | Path,
    *,
    stage: str,
    metrics: dict[str, Any],
    settings: dict[str, Any],
    protocol: dict[str, Any],
    inputs: dict[str, str],
    seed: int,
    stopwatch: Stopwatch,
    device: str | None = None,
    peak_memory_bytes: int | None = None,
    seconds_before: float = 0.0,
) -> None:
    """Write one record, whole or not at all.

    `inputs`: as by `hdc.runtime.inputs.made_from`. `device` None: the processor. `seconds_before`:
    what interrupted processes spent on the job.
    """
    record = {
        "stage": stage,
        "metrics": metrics,
        "settings": settings,
        "protocol": protocol,
        "inputs": inputs,
        "seed": seed,
        "commit": stopwatch.commit,
        "modified": stopwatch.modified,
        "versions": _versions(),
        "device": device or processor(),
        "seconds": round(seconds_before + stopwatch.seconds(), 3),
        "peak_memory_bytes": peak_memory_bytes or peak_memory(),
    }
    write_text(path, json.dumps(record, indent=1, allow_nan=False) + "\n")


def peak_memory() -> int:
    """The most resident memory this process has had, in bytes."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        # Not from getrusage: a child's count there begins with what its parent had.
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):  # not Linux
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak


def processor() -> str:
    """The processor's name, as `cpu (<model>)`."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"cpu ({names[0] if names else platform.processor() or platform.machine()})"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _commit() -> tuple[str | None, bool]:
    """The commit of this package's checkout, and whether tracked files differ from it."""
    folder = Path(__file__).parent
    try:
        _git(folder, "ls-files", "--error-unmatch", Path(__file__).name)  # not just any checkout
        commit = _git(folder, "rev-parse", "HEAD")
        return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, False  # installed without a checkout


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
