"""What this machine and its data sets look like: versions, devices, codecs, videos, and what is
missing.

Nothing is changed and nothing is decoded. On a GPU one layer is computed; of a study that is named,
every network whose training is not in full float32. Exits with 1 if a package is missing, a device
does not compute what it should, or a data set cannot be prepared.
"""

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hdc.data.index import read_index, read_table
from hdc.data.preparation.sources import list_videos, missing_videos
from hdc.data.store import MANIFEST, read_manifest
from hdc.runtime.conv3d_check import check_conv3d
from hdc.runtime.errors import InputError
from hdc.runtime.gpus import visible_gpus
from hdc.runtime.home_folders import expanded
from hdc.runtime.progress import cores
from hdc.runtime.record import PACKAGES, processor
from hdc.settings.compose import compose_run, typed
from hdc.settings.files import require_allowed

if TYPE_CHECKING:
    import torch

_GB = 1e9
_DECODERS = ("mpeg4", "h264", "hevc", "vp9", "av1", "ffv1")
_ENCODERS = ("libx264", "ffv1")


def examine(studies: list[Path], *, asked: bool) -> Iterator[tuple[bool | None, str]]:
    """Lines about machine and data, each with whether all is well; None: neither good nor bad.

    `asked`: these studies were named, so that their videos should be there.
    """
    yield from _machine()
    yield from _packages()
    yield from _codecs()
    has_folder = False
    for path in studies:
        try:
            study = _read_study(path)
        except (OSError, ValueError, yaml.YAMLError) as error:
            yield False, f"{path}: expected a study, found: {' '.join(str(error).split())}"
            continue
        if asked:
            for well, line in _networks(study):
                yield well, f"{path}: {line}"
        for name, folder in (study.get("data") or {}).items():
            has_folder = True
            try:
                for well, line in _data_set(name, folder):
                    allowed = study.get("allow_missing") or not asked
                    yield None if allowed and not well else well, f"{path}: {name}: {line}"
            except InputError as error:
                yield False if asked else None, f"{path}: {name}: {error}"
    if not has_folder and not asked:
        yield True, f"data: no study names a folder of videos ({len(studies)} read)"


def _read_study(path: Path) -> dict[str, Any]:
    """The content of a study's file; raises ValueError for any other file."""
    study = yaml.safe_load(path.read_text()) or {}
    data = study.get("data") if isinstance(study, dict) else None
    if not isinstance(study, dict) or not isinstance(data or {}, dict):
        raise ValueError("no keys, or data that name no folders")
    if not all(isinstance(folder, str) for folder in (data or {}).values()):
        raise ValueError("a data set without a folder")
    return study


def _machine() -> Iterator[tuple[bool | None, str]]:
    free = shutil.disk_usage(Path()).free / _GB
    yield True, f"python: {platform.python_version()} at {sys.executable}"
    yield True, f"processor: {processor()}, {cores()} cores, {free:.0f} GB of disk free here"
    try:
        import torch
    except ImportError as error:
        yield False, f"torch: cannot be imported: {error}"
        return
    if not torch.cuda.is_available():
        visible = len(visible_gpus())
        what = f"{visible} visible, none that torch can use" if visible else "none"
        yield not visible, f"GPU: {what}; everything runs on the processor"
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        yield True, f"GPU {number}: {facts.name}, {facts.total_memory / _GB:.0f} GB"
        yield _convolution(torch.device("cuda", number))
    cudnn = torch.backends.cudnn.version()
    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    yield True, f"CUDA: {torch.version.cuda}, cuDNN: {cudnn}, bf16 on the GPU: {bf16}"


def _convolution(device: "torch.device") -> tuple[bool | None, str]:
    """Whether bf16 is right, fast and small in the layer that all networks are made of."""
    what = f"GPU {device.index}: bf16 Conv3d against fp32"
    try:
        check = check_conv3d(device)
    except RuntimeError as error:  # also raised when memory does not suffice
        return None, f"{what}: not measured: {str(error).splitlines()[0]}"
    line = (
        f"{what}: off by {check.forward_error:.2%}, weight gradient by {check.gradient_error:.2%}, "
        f"{check.time_ratio:.2f} of the time, {check.memory_ratio:.2f} of the memory"
    )
    return check.warning is None, f"{line}; {check.warning}" if check.warning else line


def _networks(study: dict[str, Any]) -> Iterator[tuple[bool | None, str]]:
    """Whether the networks of a study compute what they should, on the device that trains them."""
    try:
        from hdc.commands.study_networks import examine_networks
    except ImportError:  # of torch, which was reported above
        return
    yield from examine_networks(study)


def _packages() -> Iterator[tuple[bool, str]]:
    for package in PACKAGES:
        try:
            yield True, f"{package}: {version(package)}"
        except PackageNotFoundError:
            yield False, f"{package}: not installed; run python -m pip install -e ."


def _codecs() -> Iterator[tuple[bool, str]]:
    import av

    for mode, names in (("r", _DECODERS), ("w", _ENCODERS)):
        missing = [name for name in names if not _has_codec(av, name, mode)]
        what = "decoders" if mode == "r" else "encoders"
        text = f"{what}: {', '.join(name for name in names if name not in missing)}"
        yield not missing, text + (f"; missing {', '.join(missing)}" if missing else "")


def _has_codec(av: Any, name: str, mode: str) -> bool:
    from av.codec.codec import UnknownCodecError

    try:
        av.Codec(name, mode)
    except UnknownCodecError:
        return False
    return True


def _data_set(name: str, folder: str) -> Iterator[tuple[bool, str]]:
    """What is there of a data set, against the published numbers where it has any."""
    require_allowed("data", name, "data")
    run = compose_run("hdc", backbone="r3d18", data=name, scale="demo")
    [data], prepared = typed(run, "data"), Path("results/data") / name
    folder = expanded(folder, "data")
    listing = list_videos(data, folder)
    listed, missing = len(listing.videos), len(listing.missing)
    source = "as published" if data.official is not None else "by the pattern"
    text = f"{folder}: {listed - missing:,} of {listed:,} videos found, {source}"
    text += f", {listing.videos.label.nunique()} labels, {data.splits} splits"
    if missing:
        text += f"; {missing:,} missing, such as {listing.missing[0]}; {listing.hint}"
    yield not missing, text
    if not (prepared / MANIFEST).is_file():
        yield True, "not prepared yet"
        return
    manifest, usable = read_manifest(prepared), len(read_index(prepared))
    rejected = len(read_table(prepared / "rejected.csv", ("video", "reason")))
    size = sum(shard["bytes"] for shard in manifest["shards"]) / _GB
    yield (
        True,
        f"prepared: {usable:,} usable, {rejected - len(missing_videos(prepared)):,} "
        f"rejected ({prepared / 'rejected.csv'}), {size:.1f} GB, {manifest['form']}",
    )


def doctor(studies: list[str]) -> bool:
    """Print what was found; returns whether nothing is wrong.

    Before each line stands ok, !! where something is wrong, or -- where something is not there that
    nobody asked for.
    """
    paths = [Path(study) for study in studies] or sorted(Path("config").glob("*.yaml"))
    well = True
    for fine, line in examine(paths, asked=bool(studies)):
        print({True: "ok", False: "!!", None: "--"}[fine], line, flush=True)
        well = well and fine is not False
    return well
