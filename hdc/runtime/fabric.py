"""The device, or devices, that a stage computes on, through Lightning Fabric."""

import ctypes
import os
from contextlib import suppress

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import nn

from hdc.runtime.errors import InputError
from hdc.runtime.gpus import claim_gpus, driver_version
from hdc.runtime.progress import threads
from hdc.runtime.record import peak_memory, processor
from hdc.runtime.signals import die_with_parent

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of glibc's malloc.h


def start_fabric(
    precision: str, *, devices: int | None = None, deterministic: bool = False
) -> Fabric:
    """Fabric on the GPUs that are visible, or on the threads this process was given.

    A process claims its GPUs from the others of the machine (`hdc.runtime.gpus`). With several
    `devices` the other processes start here, from the same command line; under torchrun they are
    there already. None: the work is for one process. Precision `auto` is bf16-mixed on GPUs that
    have it. TF32 is allowed in convolutions and in matrix products that are not in bf16.

    Raises InputError if there are several processes for the work of one, or if there are GPUs that
    torch cannot use: training on the processor instead would take days, with the GPUs claimed.
    """
    if devices is None:
        _require_one_process()
        devices = 1
    gpus = claim_gpus(devices)  # before anything asks CUDA
    if gpus and not torch.cuda.is_available():
        raise InputError(_unusable(gpus))
    if os.environ.get("LOCAL_RANK", "0") != "0":
        die_with_parent()
    keep_freed_memory()
    torch.set_num_threads(max(1, threads() // devices))
    torch.set_float32_matmul_precision("high")
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    precision = chosen_precision(precision)
    nodes, local = 1, devices
    if "LOCAL_WORLD_SIZE" in os.environ:  # torchrun says how many there are
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // local
    # Only torchrun is asked how many processes there are: inside a Slurm job Fabric would take the
    # job's one task for all of them, and train on one of its GPUs.
    plugins = [] if "LOCAL_WORLD_SIZE" in os.environ else [LightningEnvironment()]
    fabric = Fabric(
        accelerator="auto",
        devices=local,
        num_nodes=nodes,
        strategy="ddp" if local * nodes > 1 else "auto",
        precision=precision,
        plugins=plugins,
    )
    fabric.launch()
    return fabric


def keep_freed_memory() -> None:
    """Have glibc keep large blocks that are freed, for the next step needs the same again.

    Else it hands each back to the kernel, which then clears it page by page: about 4 % of the time
    of a training on a processor. Nothing is done where the C library is another.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        if not library.mallopt(_MMAP_THRESHOLD, 2**30):
            library.mallopt(_MMAP_THRESHOLD, 2**25)  # the most that older versions take


def _require_one_process() -> None:
    """Refuse the processes of torchrun for work that each of them would do whole."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if processes > 1:
        raise InputError(
            f"expected one process, found WORLD_SIZE={processes}: this stage does not share its "
            "work, and all would write the same files; start it without torchrun"
        )


def _unusable(gpus: list[str]) -> str:
    """The words for GPUs that the driver knows and torch cannot use."""
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    return (
        f"GPU {', '.join(gpus)}: expected torch to be able to use what the driver shows, found "
        f"that it cannot: torch {torch.__version__} is built for {built}, the driver is "
        f"{driver_version()}; install a torch for this driver, or set CUDA_VISIBLE_DEVICES= to "
        "compute on the processor"
    )


def chosen_precision(precision: str) -> str:
    """The precision that a setting comes to on this machine: `auto` is one of the others."""
    if precision != "auto":
        return precision
    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if bf16 else "32-true"


def device_name(fabric: Fabric) -> str:
    """The device that a record names, and how many where there are several."""
    count = f"{fabric.world_size} x " if fabric.world_size > 1 else ""
    if fabric.device.type == "cuda":
        return f"{count}{torch.cuda.get_device_name(fabric.device)}"
    return f"{count}{processor()}, {torch.get_num_threads()} thread(s)"


def precision_name(fabric: Fabric) -> str:
    """The precision that `auto` came to, for the record."""
    return fabric._precision.precision


def peak_device_memory(fabric: Fabric) -> int:
    """The most memory used so far, in bytes: the GPU's if there is one, else the process's."""
    if fabric.device.type == "cuda":
        return torch.cuda.max_memory_allocated(fabric.device)
    return peak_memory()


def memory_facts(fabric: Fabric) -> dict[str, int]:
    """What a log says of memory: the most used and, of a GPU, the most taken from it."""
    facts = {"peak_memory_bytes": peak_device_memory(fabric)}
    if fabric.device.type == "cuda":  # what is cached for each stream is taken and not used
        facts["reserved_memory_bytes"] = torch.cuda.max_memory_reserved(fabric.device)
    return facts


def laid_out(
    model: nn.Module, device: torch.device, *, channels_last: bool | None = None
) -> nn.Module:
    """The same model with its weights in the memory layout that its device is fast with.

    On processors channels-last-3d trains 1.7 times as fast (`docs/performance.md`). On GPUs it
    gained in one network and lost in another; none was at hand to measure ours, so it stays off
    there unless `channels_last` says otherwise.
    """
    if device.type == "cpu" if channels_last is None else channels_last:
        for module in model.modules():
            if isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)
    return model
