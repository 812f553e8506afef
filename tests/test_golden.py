"""The first losses of the smoke run of hdc: a change that claims to alter no result alters none.

Recorded anew, on purpose, with `python tests/test_golden.py`, which says what it wrote.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "smoke_hdc.json"
LOSSES = 20


def machine():
    """What decides the last digits: the processor and the versions that compute."""
    import torch
    import torchvision

    from hdc.records import processor

    return {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def run(folder):
    """The losses of the smoke run on one thread, each a single step's."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    prepared, output = folder / "synthetic_smoke", folder / "run"
    choices = ["scale=smoke", "backbone=r3d18", "ablation=hdc", "seed=0"]
    commands = [
        ["hdc.prepare", f"output_dir={prepared}"],
        ["hdc.pretrain", *choices, f"prepared={prepared}", "split=1", f"output_dir={output}",
         "progress.log_every_steps=1"],
    ]  # fmt: skip
    for module, *words in commands:
        command = [sys.executable, "-m", module, "data=synthetic_smoke", *words]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    lines = (output / "log.jsonl").read_text().splitlines()[:LOSSES]
    return [json.loads(line)["loss"] for line in lines]


def test_the_first_losses_are_the_recorded_ones(tmp_path):
    golden = json.loads(GOLDEN.read_text())
    found = run(tmp_path)
    assert len(found) == len(golden["losses"]) == LOSSES
    if machine() == golden["machine"]:
        assert found == golden["losses"]
    else:
        differences = [abs(a - b) for a, b in zip(found, golden["losses"], strict=True)]
        assert max(differences) < 1e-4, differences


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        record = {"machine": machine(), "losses": run(Path(folder))}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(record, indent=1) + "\n")
    print(f"recorded {LOSSES} losses in {GOLDEN}")
