"""Seconds that each stage takes before its work begins, against importing everything at the top.

Prints a line a stage, the median of five children, and last the ratio of `evaluate`, which never
imports torch, to a stage that imports all libraries.
"""

import os
import statistics
import subprocess
import sys
import time

RUNS = 5
TORCH = "hdc.training, hdc.data.batches, hdc.encoders, hdc.backbones.resnet3d"
STAGES = {  # what a stage has imported when its work begins
    "prepare": "hdc.prepare, hdc.data.synthetic",
    "pretrain": f"hdc.pretrain, hdc.contrast, hdc.supervised, {TORCH}",
    "finetune": f"hdc.finetune, hdc.classifier, {TORCH}",
    "embed": f"hdc.embed, {TORCH}",
    "evaluate": "hdc.evaluate",
    "report": "hdc.report",
    "everything": f"hdc.prepare, hdc.evaluate, hdc.report, hdc.contrast, timm, {TORCH}",
}


def seconds(modules: str) -> float:
    """Wall time of a child that imports `modules` and composes a run, the median of five."""
    compose = "compose_run('hdc', backbone='r3d18', data='synthetic', scale='demo')"
    code = f"import {modules}; from hdc.config import compose_run; {compose}"
    found = []
    for _ in range(RUNS + 1):
        started = time.monotonic()
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        found.append(time.monotonic() - started)
    return statistics.median(found[1:])  # the first warms the disk's cache


if __name__ == "__main__":
    found = {}
    for stage, modules in STAGES.items():
        found[stage] = seconds(modules)
        print(f"{stage:<10} {found[stage]:.2f} s", flush=True)
    print(f"ratio {found['everything'] / found['evaluate']:.2f}")
