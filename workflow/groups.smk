"""Which jobs a cluster runs as one, as `group-components` of a profile says; none on one machine.

Snakemake reads the profile after this file: all is worked out when it first asks for a job.
"""

import os
from functools import cache
from itertools import chain

from hdc.runtime.group_jobs import STARTED, Undone, note_start, sparing
from hdc.runtime.slurm import cores_of_job
from hdc.study.groups import KIND_OF, PREPARE, group_jobs, group_parts, prefix

HERE = "here"  # the group of all jobs that a job of a cluster was submitted for
ANY_NUMBER = 10**6
MOST = {}  # of each kind in one group, once it is known


def group_of(stage):
    """A group function: the jobs of a stage that are submitted together."""

    def name(wildcards):
        if not workflow.is_main_process:
            return HERE if in_group() else None
        place = (
            wildcards.backbone,
            wildcards.ablation,
            int(wildcards.seed),
            wildcards.pretrained_on,
        )
        return groups().get((KIND_OF[stage], Run(wildcards.study, *place).folder))

    return name


def group_of_part(data, parts):
    """A group function: the parts of a data set that are prepared together."""

    def name(wildcards):
        if not workflow.is_main_process:
            return HERE if in_group() else None
        groups()
        names = group_parts(data, MOST, parts)
        return names[int(wildcards.shard) - 1] if names else None

    return name


@cache
def groups():
    """The names of the groups, by kind and run; Snakemake is told how to treat them."""
    MOST.update(workflow.group_settings.group_components)
    try:
        # By what is assumed: what is measured changes, and with it what would be in which group.
        found = group_jobs(STUDY, MOST, Estimates(STUDY, FOUND, Rates(True, {})).seconds)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    parts = [group_parts(name, MOST, source.shards) for name, source in SOURCES.items()]
    if names := {*found.values(), *chain(*parts)}:
        # One after the other on a GPU; else a group would ask for one for each of its jobs. No job
        # may ask for more than this limit, so it is that of the study's widest.
        joined(names, gpus=max(run_of_study(one).progress.devices for one in EVALUATIONS))
    return found


def joined(names, *, gpus):
    """Have Snakemake make one of all jobs of a group, of which many do not depend on each other."""
    workflow.group_settings.group_components = dict.fromkeys(names, ANY_NUMBER)
    workflow.register_resource("gpu", gpus)


@cache
def in_group():
    """Whether this process does a group of jobs on a cluster; it then goes on where one stopped."""
    if not (workflow.remote_exec and len(workflow.dag_settings.target_jobs) > 1):
        return False
    joined([HERE], gpus=max(1, len(visible_gpus())))
    if cores := cores_of_job():
        workflow.register_resource("_cores", cores)
    workflow.execution_settings.keep_going = True  # one that fails leaves the others alone
    if STARTED in os.environ:
        workflow.dag.forcefiles = Undone(workflow.dag.forcefiles, float(os.environ[STARTED]))
        keep_what_is_done()
    return True


def go_on(wildcards):
    """An input function without files: of jobs that may be of a group that was stopped."""
    in_group()
    return []


def begin_groups():
    """Tell all jobs since when outputs are of this Snakemake, which keeps those."""
    os.environ[STARTED] = repr(note_start(Path(".snakemake/hdc_started")))
    keep_what_is_done()


def keep_what_is_done():
    from snakemake.jobs import GroupJob

    GroupJob.postprocess = sparing(GroupJob.postprocess, float(os.environ[STARTED]))
