"""A training that is killed twice, in deterministic mode, ends in the bytes of an undisturbed one.

`killed_twice.py FOLDER`, in which `synthetic_smoke` is prepared. A line for each backbone.
"""

import json
import subprocess
import sys
from pathlib import Path

KILL_POINTS = Path(__file__).parents[2] / "tests/support/kill_points.py"


def main(work: Path) -> None:
    """Print whether they are equal."""
    for backbone in ("c3d", "r3d18"):
        output = work / f"killed_{backbone}"
        output.mkdir()
        words = [
            "scale=smoke", "data=synthetic_smoke", f"backbone={backbone}", "ablation=hdc", "seed=0",
            "pretrain.deterministic=true", f"prepared={work / 'synthetic_smoke'}", "split=1",
            "pretrain.batch_size=8", "pretrain.epochs=2",
        ]  # fmt: skip
        command = [sys.executable, str(KILL_POINTS), "pretrain", "2", str(output), *words]
        done = subprocess.run(command, capture_output=True, text=True)
        log = output / "log.txt"
        told = (done.stdout + done.stderr).splitlines()[-4:]
        facts = {"backbone": backbone, "equal": done.returncode == 0, "told": told}
        if done.returncode and log.is_file():
            facts["log"] = log.read_text().splitlines()[-4:]
        print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
