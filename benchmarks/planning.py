"""What planning a study costs, that is a dry run of it, at growing numbers of seeds.

A line a size: jobs, seconds of the processor, seconds by the clock and MB. Then, from the smallest
and the largest size, what a thousand jobs more cost: last `seconds <processor> megabytes <memory>`.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from parts.command_line import CommandLine

ROOT = Path(__file__).parents[1]
STUDY = "config/synthetic_grid.yaml"


def planned(folder: Path, seeds: int, *, few: bool) -> tuple[int, float, float, float]:
    """Jobs of a plan, the seconds of processor and clock and the MB that it took."""
    asked = f"seeds=[{','.join(map(str, range(seeds)))}]"
    words = ["--config", asked, *(["ablations=[hdc]", "skip=[]", "comparisons=[]"] if few else [])]
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", "--configfile", STUDY]
    started, output = time.monotonic(), folder / "plan.txt"
    with output.open("w") as file:
        child = subprocess.Popen([*command, *words], cwd=folder, stdout=file, stderr=file)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    said = output.read_text()
    jobs = re.search(r"^total +(\d+)$", said, re.M)
    if child.returncode or jobs is None:
        sys.exit(f"{' '.join(command)}: expected a plan, found:\n{said[-2000:]}")
    wall = time.monotonic() - started
    return int(jobs[1]), used.ru_utime + used.ru_stime, wall, megabytes(used)


def megabytes(used: resource.struct_rusage) -> float:
    """The most memory of a process; counted in KB, by macOS in bytes."""
    return used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    command_line = CommandLine(__doc__)
    command_line.size("seeds", "seeds of the largest study", full=40, quick=3)
    options = command_line.read()
    found = []
    with tempfile.TemporaryDirectory() as name:
        for place in ("workflow", "config", "ablations"):
            Path(name, place).symlink_to(ROOT / place)
        for seeds in sorted({1, max(2, options.seeds // 4), options.seeds}):
            found.append(planned(Path(name), seeds, few=options.quick))
            jobs, processor, wall, memory = found[-1]
            print(f"{jobs:>6,} jobs {processor:6.1f} s {wall:6.1f} s {memory:5.0f} MB", flush=True)
    first, last = found[0], found[-1]
    thousands = (last[0] - first[0]) / 1000
    each = [(last[part] - first[part]) / thousands for part in (1, 3)]
    print(f"seconds {max(0, each[0]):.2f} megabytes {max(0, each[1]):.1f}")
