"""How fast networks train: as finished runs of this machine tell, or else as is assumed."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from hdc.settings.compose import plain

# Of one clip of 16 x 112 x 112, by the module and name of the function, counted by
# `hdc.encoders.build.multiply_adds`: 10^9 multiply-adds and 10^6 parameters.
NETWORKS = {
    "resnet3d.r3d18": (40.70, 33.17),
    "c3d.c3d": (38.50, 27.66),
    "resnet3d.r2plus1d10": (19.71, 12.49),
    "resnet3d.r2plus1d18": (40.52, 31.30),
    "resnet3d.mc318": (43.34, 11.49),
    "s3d.s3d": (4.52, 7.91),
    "swin3d.swin3d_t": (11.36, 27.85),
    "mvit.mvit_v2_s": (13.91, 34.23),
    "timm2plus1d.timm2plus1d": (6.54, 12.59),
}
UNKNOWN = (40.70, 33.17)  # a network of the user's own: as the largest of ours
FORWARD_SHARE = 1 / 3  # of the work of a training step: its backward pass takes twice as much
# Multiply-adds a second while training. A GPU: 600 clips/s of R3D-18, the goal on an H200, not
# measured. A thread: 235 clips/s of the demo's network, which has 37.7 million (an Intel Xeon).
GPU_SPEED = 600 * 3 * 40.70e9
THREAD_SPEED = 235 * 3 * 37.7e6
GPU_CLIPS = 4000.0  # assumed: a small network waits for its next kernel, not for arithmetic
_READ = 20  # records of a backbone that are read: a study may have thousands
_DEVICE = re.compile(r"(?:(\d+) x )?(?P<name>.*?)(?:, (?P<threads>\d+) thread\(s\))?")

Key = tuple[str, int, int]  # backbone as text, frames and pixels of a clip


@dataclass(frozen=True)
class Rate:
    """Clips a second of a training, on one GPU or by one thread."""

    clips: float
    measured: bool


@dataclass(frozen=True)
class Rates:
    """The rates of one kind of device."""

    on_gpu: bool
    measured: Mapping[Key, float]

    def training(self, run: Any) -> Rate:
        """The rate of a run's settings."""
        if found := self.measured.get(key_of(run.backbone, run.clip)):
            return Rate(found, True)
        work = multiply_adds(run) / FORWARD_SHARE
        speed = GPU_SPEED if self.on_gpu else THREAD_SPEED
        clips = speed / work
        return Rate(min(GPU_CLIPS, clips) if self.on_gpu else clips, False)


def key_of(backbone: Any, clip: Any) -> Key:
    """What has to be alike for a rate to hold."""
    return json.dumps(plain(backbone), sort_keys=True), clip["frames"], clip["pixels"]


def multiply_adds(run: Any) -> float:
    """About how many a forward pass of one clip of a run takes, from the published network's."""
    frames, pixels = run.clip.frames, run.clip.pixels
    width = run.backbone.get("width", 1.0)
    return network(run)[0] * 1e9 * width**2 * frames / 16 * (pixels / 112) ** 2


def parameters(run: Any) -> float:
    """About how many weights the encoder of a run has."""
    return network(run)[1] * 1e6 * run.backbone.get("width", 1.0) ** 2


def network(run: Any) -> tuple[float, float]:
    """The published network that a run's is a narrower one of: a row of `NETWORKS`."""
    return NETWORKS.get(".".join(run.backbone["_target_"].split(".")[-2:]), UNKNOWN)


def read_rates(results: Path, *, on_gpu: bool) -> Rates:
    """The rates of all finished pretrainings of this machine's results on such a device.

    Published records are those of another machine and lie elsewhere; what cannot be read is left.
    """
    found: dict[Key, list[float]] = {}
    for folder in results.glob("*/runs/*"):
        for path in islice(folder.glob("*/seed*/*/pretrain.json"), _READ):
            for key, clips in _rate(path, on_gpu):
                found.setdefault(key, []).append(clips)
    return Rates(on_gpu, {key: median(rates) for key, rates in found.items()})


def _rate(path: Path, on_gpu: bool) -> Iterator[tuple[Key, float]]:
    """The rate that a record tells of one GPU or one thread, if it is of such a device."""
    try:
        record = json.loads(path.read_text())
        clips = record["metrics"]["clips_per_second"]
        settings, device = record["settings"], _DEVICE.fullmatch(record["device"])
        if clips and device and device["name"].startswith("cpu") != on_gpu:
            share = int(device[1] or 1) * int(device["threads"] or 1)
            yield key_of(settings["backbone"], settings["clip"]), clips / share
    except (OSError, ValueError, KeyError, TypeError):
        return
