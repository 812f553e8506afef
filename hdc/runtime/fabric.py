"""The device, or devices, that a stage computes on, through Lightning Fabric."""

import os

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import nn

from hdc.runtime.gpus import claim_gpus
from hdc.runtime.progress import threads
from hdc.runtime.record import peak_memory, processor


def start_fabric(precision: str, *, devices: int = 1, deterministic: bool = False) -> Fabric:
    """Fabric on the GPUs that are visible, or on the threads this process was given.

    A process claims its GPUs from the others of the machine (`hdc.runtime.gpus`). With several
    `devices` the other processes start here, from the same command line; under torchrun they are
    there already. Precision `auto` is bf16-mixed on GPUs that have it. TF32 is allowed in
    convolutions and in matrix products that are not in bf16.
    """
    claim_gpus(devices)  # before anything asks CUDA
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


def laid_out(model: nn.Module, device: torch.device) -> nn.Module:
    """The same model with its weights in the memory layout that its device is fast with.

    On processors channels-last-3d trains 1.7 times as fast (`docs/performance.md`). On GPUs it
    gained in one network and lost in another; none was at hand to measure ours, so it stays off.
    """
    if device.type == "cpu":
        for module in model.modules():
            if isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)
    return model
