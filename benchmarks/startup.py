"""Seconds that each stage takes before its work begins, against importing everything at the top.

Prints a line a stage, the median over children, and last how a stage that imports all libraries
compares with one that never imports torch: `ratio <everything / evaluate>`. `--quick` has those two
alone.
"""

import os
import statistics
import subprocess
import sys
import time

from parts.command_line import CommandLine

TORCH = "hdc.training.trainer, hdc.data.batches, hdc.encoders.build, hdc.backbones.resnet3d"
MODEL = "hdc.objectives.self_supervised"
STAGES = {  # what a stage has imported when its work begins
    "prepare": "hdc.prepare, hdc.data.synthetic.videos",
    "pretrain": f"hdc.pretrain, hdc.objectives.build, {TORCH}",
    "finetune": f"hdc.finetune, hdc.objectives.supervised, {TORCH}",
    "embed": f"hdc.embed, {TORCH}",
    "evaluate": "hdc.evaluate",
    "report": "hdc.report",
    "everything": f"hdc.prepare, hdc.evaluate, hdc.report, {MODEL}, timm, {TORCH}",
}


def seconds(modules: str, runs: int) -> float:
    """Wall time of a child that imports `modules` and composes a run, the median over `runs`."""
    compose = "compose_run('hdc', backbone='r3d18', data='synthetic', scale='demo')"
    code = f"import {modules}; from hdc.settings.compose import compose_run; {compose}"
    times = []
    for _ in range(runs):
        started = time.monotonic()
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        times.append(time.monotonic() - started)
    return statistics.median(times[1:] or times)  # the first of several warms the disk's cache


if __name__ == "__main__":
    command_line = CommandLine(__doc__)
    text = "children a stage; the first of several is not counted"
    command_line.size("runs", text, full=6, quick=1)
    options = command_line.read()
    medians = {}
    for stage in ("evaluate", "everything") if options.quick else STAGES:
        medians[stage] = seconds(STAGES[stage], options.runs)
        print(f"{stage:<10} {medians[stage]:.2f} s", flush=True)
    print(f"ratio {medians['everything'] / medians['evaluate']:.2f}")
