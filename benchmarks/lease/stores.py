"""Prepares what the other parts train on; and how long a training waits for each form of a store.

`stores.py FOLDER smoke|waiting`.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch

LARGE = ("data.synthetic.pixels=128", "data.synthetic.frames=64", "store.short_side=128")
SMALL = ("data.synthetic.pixels=32", "data.synthetic.frames=24", "store.short_side=32")
FORMS = ("raw", "h264")


def prepared(output: Path, *words: str) -> None:
    """Make and prepare the synthetic videos of the smoke study, changed by some settings."""
    stage("prepare", "data=synthetic_smoke", "folder=", f"output_dir={output}", *words)


def stage(name: str, *words: str) -> None:
    """Run a stage to its end; its last lines are the error if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", f"hdc.{name}", *words],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"hdc.{name} {' '.join(words)}: {done.stdout[-500:]}{done.stderr[-1000:]}")


def waiting(work: Path) -> None:
    """A training at the paper's size from each form: clips a second and the share of waiting."""
    on_gpu = torch.cuda.is_available()
    for form in FORMS:
        data, output = work / f"store_{form}", work / f"run_{form}"
        prepared(data, f"store.form={form}", *(LARGE if on_gpu else SMALL))
        sizes = ("scale=paper", "pretrain.batch_size=32", "pretrain.epochs=20") if on_gpu else (
            "scale=smoke", "pretrain.epochs=1",
        )  # fmt: skip
        stage(
            "pretrain", *sizes, "data=synthetic_smoke", "backbone=r3d18", "ablation=hdc", "seed=0",
            f"prepared={data}", "split=1", f"output_dir={output}", "progress.log_every_steps=5",
        )  # fmt: skip
        line = json.loads((output / "log.jsonl").read_text().splitlines()[-1])
        kept = ("clips_per_second", "data_wait_share", "steps", "peak_memory_bytes")
        print(json.dumps({"form": form} | {name: line[name] for name in kept}), flush=True)


if __name__ == "__main__":
    folder, what = Path(sys.argv[1]), sys.argv[2]
    if what == "smoke":
        prepared(folder / "synthetic_smoke")
        print(json.dumps({"prepared": "synthetic_smoke"}), flush=True)
    else:
        waiting(folder)
