"""A study at the scale `synthetic` without Snakemake: run after run of each seed, until stopped.

`seeds.py FOLDER`. A line for each run: what its records say of retrieval and cost. On a processor
one run at the scale of the smoke study.
"""

import json
import sys
import time
from itertools import count
from pathlib import Path

import torch
from stores import stage

RUNS = ("hdc", "coupled", "single_level", "equal_weights", "random_init")


def main(work: Path) -> None:
    """Train and judge, seed after seed."""
    on_gpu = torch.cuda.is_available()
    scale, data = ("synthetic", "synthetic") if on_gpu else ("smoke", "synthetic_smoke")
    prepared = work / "data" / data
    stage("prepare", f"data={data}", "folder=", f"output_dir={prepared}")
    for seed in count():
        for ablation in RUNS:
            started = time.monotonic()
            facts = {"seed": seed, "ablation": ablation} | judged(
                work / f"{ablation}{seed}", scale, data, prepared, ablation, seed
            )
            facts["took"] = round(time.monotonic() - started, 1)
            print(json.dumps(facts), flush=True)
            if not on_gpu:
                return


def judged(
    run: Path, scale: str, data: str, prepared: Path, ablation: str, seed: int
) -> dict[str, float]:
    """Pretrain one encoder, embed all videos and judge them; numbers of its records."""
    told = [f"scale={scale}", f"data={data}", f"ablation={ablation}", f"prepared={prepared}"]
    network, drawn = "backbone=r3d18", f"seed={seed}"
    split = run / data / "split1"
    stage("pretrain", *told, network, drawn, "split=1", f"output_dir={run}")
    encoder = f"encoder={run / 'encoder.safetensors'}"
    stage("embed", *told, network, encoder, f"output_dir={run / data}")
    features = f"features={run / data / 'features.safetensors'}"
    stage("evaluate", *told, drawn, encoder, features, "split=1", f"output_dir={split}")
    trained = json.loads((run / "pretrain.json").read_text())
    found = json.loads((split / "evaluate.json").read_text())["metrics"]
    return {
        "clips_per_second": trained["metrics"]["clips_per_second"],
        "pretrain_seconds": trained["seconds"],
        "retrieval": found["retrieval"],
        "levels": found["levels"],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
