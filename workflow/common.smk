"""Reads the study, finds its runs and names what a rule passes on. No hyper-parameter stands here."""

import json
import re
import shlex
import sys
from collections import Counter
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.jobs import Job

from hdc.study.batch_sizes import require_enough_videos
from hdc.study.impossible_runs import without_impossible_runs
from hdc.settings.compose import settings_text, typed
from hdc.data.preparation.changes import CHANGED, note_changes
from hdc.runtime.gpus import gpu_share, visible_gpus
from hdc.runtime.errors import InputError
from hdc.runtime.inputs import prepared_files
from hdc.encoders.file import encoder_facts, pretraining_list, seen_by
from hdc.study.outdated import outdated
from hdc.study.retries import Failures
from hdc.settings.reads import (
    EMBED_READS,
    EVALUATE_READS,
    FINETUNE_READS,
    PREPARE_READS,
    PRETRAIN_READS,
)
from hdc.study.runs import Run, part_of
from hdc.study.shared_settings import as_words
from hdc.settings.stage import OF_STUDY
from hdc.study.stages import STAGES
from hdc.study.study import Study
from hdc.study.names import split_numbers

# Jobs use the interpreter that runs Snakemake, also where its environment is not activated. A prefix
# takes the place of Snakemake's own, which makes bash stop at the first error.
BIN = shlex.quote(str(Path(sys.executable).parent))
shell.prefix(f"set -euo pipefail; export PATH={BIN}:$PATH; ")

# Of every rule, seen from workflow/rules/. Where only an installed package is, there may be none, and
# Snakemake would fail to note it after each job.
ENVIRONMENT = "../../environment.yml"
if not Path(workflow.basedir, "../environment.yml").is_file():
    ENVIRONMENT = None

CONFIG_FILES = ", ".join(map(str, workflow.configfiles))


def refuse(problem):
    """Stop with one line that names the study's file."""
    raise WorkflowError(f"{CONFIG_FILES}: {problem}") from None


try:
    validate(config, "schemas/study.schema.yaml")
except WorkflowError as error:
    reason = re.search(r"ValidationError: (.*)", str(error))
    place = re.search(r"On instance(.*):", str(error))
    where = ".".join(re.findall(r"\['?(.*?)'?\]", place[1] if place else ""))
    problem = reason[1] if reason else " ".join(str(error).split())
    refuse(f"{where}: {problem}; config/README.md explains every key".removeprefix(": "))
try:
    STUDY = without_impossible_runs(Study.read(config))
    EVALUATIONS = list(STUDY.evaluations())
    # A target by that name is asked for before there is any video.
    sets = [] if "download" in sys.argv else STUDY.data_sets()
    # The jobs of a cluster read this file, too: what was planned is planned.
    SOURCES = {name: STUDY.source(name, compare=workflow.is_main_process) for name in sets}
    OUTDATED = {}
    if sets and workflow.is_main_process:  # no process that does a single job, as on a cluster
        require_enough_videos(STUDY, SOURCES)
        OUTDATED = outdated(STUDY)
except InputError as error:
    refuse(error)


wildcard_constraints:
    study=STUDY.study,
    backbone="[a-z0-9_]+",
    ablation="[a-z0-9_]+",
    seed="[0-9]+",
    pretrained_on="[a-z0-9_]+(-split[0-9]+)?",
    data="[a-z0-9_]+",
    split="[0-9]+",


def changes(name):
    """What tells Snakemake by its time that source files have changed; nothing for made videos."""
    folder, changed = SOURCES[name].folder, SOURCES[name].changed
    path = Path(f"results/data/{name}", CHANGED)
    if not folder or not (Path(folder).is_dir() or path.is_file()):
        return []
    if workflow.is_main_process:
        note_changes(path, changed)
    if changed:
        first, how = min(changed.items())
        print(
            f"{name}: {len(changed):,} videos are not as they were prepared, such as {first} "
            f"({how}), so it is prepared again; all of them: {path}",
            file=sys.stderr,
        )
    return [str(path)]


FAILURES = Failures()


def restart_times(job):
    """How often a job that failed may be tried again (`retries`): not at all if it makes no sense."""
    worth = all([FAILURES.are_worth_another_try(Path(log)) for log in job.log])
    return job.rule.restart_times if worth else 0


# Snakemake asks for it after each failure, and has no other way to tell failures apart.
Job.restart_times = property(restart_times)


def quoted(text):
    """A word of a shell command that Snakemake formats."""
    return shlex.quote(text).replace("{", "{{").replace("}", "}}")


def all_threads(wildcards):
    """All cores; asked only when a job is planned, for `--unlock` knows of none."""
    return workflow.cores


def run_of(wildcards):
    """The settings of a job's run, on the data set that it is judged or else pretrained on.

    Where a rule names no run or backbone, what it reads is the same in all of them.
    """
    data = wildcards.get("data") or part_of(wildcards.pretrained_on)[0]
    backbone = wildcards.get("backbone", STUDY.backbones[0])
    return STUDY.compose(backbone, wildcards.get("ablation", "hdc"), data)


def run_of_study(evaluation):
    """The settings of the run that is judged."""
    run = evaluation.run
    return STUDY.compose(run.backbone, run.ablation, evaluation.data)


def settings(*reads, data=None):
    """A params function: the values that a stage reads, as text. A changed value reruns its jobs."""

    def text(wildcards):
        run = STUDY.compose(STUDY.backbones[0], "hdc", data) if data else run_of(wildcards)
        return text_of(run, reads)

    return text


def of_study(*reads):
    """What the study says for all its runs, of the nodes that a stage reads, as words of a command."""
    words = as_words(STUDY.settings, (*reads, "progress"))
    return " ".join(shlex.quote(OF_STUDY + word) for word in words)


# A study has thousands of jobs and few runs, which are composed once, so the object tells which.
TEXTS, OBJECTIVES = {}, {}


def text_of(run, reads):
    """Settings of a run as text."""
    key = (id(run), reads)
    if key not in TEXTS:
        TEXTS[key] = settings_text(run, reads)
    return TEXTS[key]


def objective_of(run):
    """The objective of a run, typed."""
    if id(run) not in OBJECTIVES:
        [OBJECTIVES[id(run)]] = typed(run, "objective")
    return OBJECTIVES[id(run)]


# What is refused unless the study allows it, for the stages that read test videos.
ALLOW = " ".join(
    f"allow_{what}={str(getattr(STUDY, f'allow_{what}')).lower()}"
    for what in ("copies", "pretrain_on_test")
)


def encoder(wildcards):
    """The encoder that a run is judged by: its own, or that of the run named in `pretrained_by`."""
    ablation = run_of(wildcards).pretrained_by or wildcards.ablation
    return f"{run_folder(wildcards, ablation)}/{STAGES['pretrain'].outputs['encoder']}"


def measured(wildcards):
    """The record whose invariance gives frozen weights; nothing for other runs."""
    ablation = run_of(wildcards).objective.measured_by
    return (
        []
        if ablation is None
        else f"{run_folder(wildcards, ablation)}/{STAGES['pretrain'].outputs['record']}"
    )


def run_folder(wildcards, ablation):
    """Where a run of the job's backbone, seed and pretraining data lies."""
    place = (wildcards.backbone, ablation, int(wildcards.seed), wildcards.pretrained_on)
    return Run(wildcards.study, *place).folder


def adopted(wildcards):
    """The encoder that a run takes over and the list of its videos; nothing for other runs."""
    path = run_of(wildcards).encoder
    return [path, str(pretraining_list(path))] if path else []


for what, jobs in Counter(OUTDATED.values()).items():
    print(f"made again: {jobs} for other {what}", file=sys.stderr)


def begin_on_slurm():
    """Have nothing done twice that an earlier Snakemake left in the queue, and no job forgotten."""
    import snakemake_executor_plugin_slurm as plugin
    from snakemake_executor_plugin_slurm.utils import get_job_wildcards

    from hdc.runtime.slurm import cancel_left_behind, understood

    if hasattr(plugin, "query_job_status"):
        plugin.query_job_status = understood(plugin.query_job_status)
    jobs = list(workflow.dag.needrun_jobs())
    words = ((job.name, get_job_wildcards(job)) for job in jobs)
    # As the plugin words the comments of its jobs. A group that was left may have had more jobs.
    comments = {f"rule_{name}" + (f"_wildcards_{rest}" if rest else "") for name, rest in words}
    rules = {job.name for job in jobs}
    kinds = {KIND_OF[name] for name in rules if name in KIND_OF}
    groups = [f"rule_{prefix(kind, STUDY.study)}" for kind in sorted(kinds)]
    parts = [name for name in SOURCES if f"prepare_{name}_part" in rules]
    groups += [f"rule_{prefix(PREPARE, name)}" for name in parts]
    try:
        left = cancel_left_behind(comments, Path.cwd(), groups=groups)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    if left:
        print(f"jobs that an earlier Snakemake left, cancelled: {', '.join(left)}", file=sys.stderr)


PLAN = "results/{study}/study.json"
PAGE = "results/{study}/report.html"


def again(stage):
    """An input function without files: jobs of a stage run again whose output was made otherwise.

    Snakemake's own memory of settings and inputs is not with results that were copied.
    """
    first = {"plan": PLAN, "report": PAGE}.get(stage)
    first = first or next(iter(STAGES[stage].patterns.values()))

    def force(wildcards):
        in_group()
        workflow.dag.forcefiles.update({first.format(**wildcards)} & OUTDATED.keys())
        return []

    return force


def prepared(data, split=None, inputs=()):
    """The files of a prepared data set that a stage reads, as some inputs of networks."""
    return prepared_files(f"results/data/{data}", split, inputs=inputs)


def seen(wildcards):
    """What the encoder that a run is judged by takes."""
    run = run_of(wildcards)
    if run.encoder:
        return [seen_by(encoder_facts(run.encoder))]
    if run.pretrained_by:
        data = wildcards.get("data") or part_of(wildcards.pretrained_on)[0]
        run = STUDY.compose(wildcards.backbone, run.pretrained_by, data)
    return [] if run.pretrain.labels else [objective_of(run).exported]


def learned_from(wildcards):
    """What the views of a run are; frames alone where it takes an encoder over or has labels."""
    run = run_of(wildcards)
    return [] if run.encoder or run.pretrain.labels else objective_of(run).inputs()


def record_of(stage, made):
    """The record of a stage in the folder of a run or an evaluation."""
    return f"{made.folder}/{STAGES[stage].outputs['record']}"
