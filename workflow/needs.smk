"""What jobs ask for: processors, GPUs, memory and time, as `hdc.study.needs` finds."""

from hdc.study.needs import Estimates
from hdc.study.rates import Rates, read_rates

# Snakemake only counts; a job that runs claims a GPU, or its share of one, by `hdc.runtime.gpus`.
# Where a profile says that GPUs are no matter of this machine, each node has its own to give.
GPUS_OF_NODES = workflow.resource_scopes.is_local("gpu")
try:
    GPU_SHARE = 1 if GPUS_OF_NODES else gpu_share()
except InputError as error:
    raise WorkflowError(str(error)) from None
GPU_JOBS = len(visible_gpus()) * GPU_SHARE  # at a time
ON_GPU = bool(GPU_JOBS or GPUS_OF_NODES)

FOUND = {name: source.found for name, source in SOURCES.items()}
# What a job of a cluster asks for was asked for when it was submitted.
RATES = (
    read_rates(Path("results"), on_gpu=ON_GPU) if workflow.is_main_process else Rates(ON_GPU, {})
)
ESTIMATES = Estimates(STUDY, FOUND, RATES)


def needs(stage, wildcards):
    """What a job of a stage needs."""
    data, split = wildcards.get("data"), wildcards.get("split")
    if stage == "pretrain":
        data, split = part_of(wildcards.pretrained_on)
    number = None if split is None else int(split)
    return ESTIMATES.of(stage, wildcards.backbone, wildcards.ablation, data, number)


def memory(stage):
    """A resource function, in MB; after a failure more."""
    return lambda wildcards, attempt: attempt * needs(stage, wildcards).memory


def minutes(stage):
    """A resource function: how long a job may run."""
    return lambda wildcards, attempt: needs(stage, wildcards).minutes(attempt)


def threads_of(stage):
    """A threads function: what a job needs of a node, or its share of this machine.

    A part for each GPU job; without, half of the cores: two jobs use a small machine best.
    """

    def threads(wildcards):
        if GPUS_OF_NODES:
            return needs(stage, wildcards).processors
        share = max(1, min(8, workflow.cores // max(2, GPU_JOBS)))
        return share * (run_of(wildcards).progress.devices if stage == "pretrain" else 1)

    return threads


def one_gpu(wildcards):
    """A GPU, or a share of it; none on a machine without."""
    return 1 if ON_GPU else 0


def pretraining_gpus(wildcards):
    """As many as share the pretraining, where there are several: whole ones."""
    devices = run_of(wildcards).progress.devices
    return one_gpu(wildcards) * (devices * GPU_SHARE if devices > 1 else 1)


def preparing_memory(wildcards, threads, attempt):
    """MB of a preparation: assumed, as much for each decoder as a long video takes."""
    return attempt * (1000 + 500 * threads)
