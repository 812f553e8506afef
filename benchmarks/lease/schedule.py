"""Runs the parts of `on_gpu.sh` one after another until its time is over, and notes what they say.

Every line of a part that is a JSON object goes to the file at once, with the part's name and the
second; what else it printed last, with how it ended, in a line of its own.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import torch

PARTS = Path(__file__).parent
LEAST = 3.0  # seconds; with less left nothing is begun
TAIL = 15  # last lines of a part that are kept


@dataclass(frozen=True)
class Part:
    """A command, and the most seconds that it may take of the whole."""

    name: str
    most: float
    words: tuple[str, ...]


def parts(work: Path) -> list[Part]:
    """All of them, by value; they work in a folder of their own."""
    python = sys.executable

    def own(name: str, *words: str) -> tuple[str, ...]:
        return (python, str(PARTS / f"{name}.py"), str(work), *words)

    return [
        Part("doctor", 60, (python, "-m", "hdc", "doctor")),
        Part(
            "gpu tests", 90, (python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/gpu")
        ),
        Part("layers", 90, (python, "-m", "hdc", "doctor", "config/paper.yaml")),
        Part("prepare", 60, own("stores", "smoke")),
        Part("killed twice", 90, own("killed_twice")),
        Part("speed", 150, own("speed", "eager")),
        Part("compiled", 90, own("speed", "compiled")),
        Part("waiting", 90, own("stores", "waiting")),
        Part("study", 1e6, own("seeds")),
    ]


class Lines:
    """The file of results; each line says which part it is of and when it was known."""

    def __init__(self, path: Path) -> None:
        self.path, self.started = path, time.monotonic()

    def add(self, part: str, facts: dict) -> None:
        line = {"part": part, "second": round(time.monotonic() - self.started, 1)} | facts
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line)[:160], flush=True)


def run(part: Part, seconds: float, lines: Lines) -> None:
    """Run a part for at most so many seconds."""
    started, tail = time.monotonic(), deque(maxlen=TAIL)
    with subprocess.Popen(
        part.words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as child:
        over = threading.Timer(seconds, os.killpg, (child.pid, signal.SIGKILL))
        over.start()
        for text in child.stdout:
            try:
                facts = json.loads(text)
            except ValueError:
                facts = None
            if isinstance(facts, dict):
                lines.add(part.name, facts)
            else:
                tail.append(text.rstrip())
        status = child.wait()
        cut = not over.is_alive()
        over.cancel()
    took = round(time.monotonic() - started, 1)
    ended = "out of time" if cut else status
    lines.add(part.name, {"ended": ended, "took": took, "printed": list(tail)})


def main(seconds: float, path: Path) -> None:
    """Run what there is time for."""
    lines = Lines(path)
    on_gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if on_gpu else "processor: tiny sizes, of no meaning"
    versions = {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": sys.version.split()[0],
    }
    if on_gpu:
        versions["cudnn"] = torch.backends.cudnn.version()
    lines.add("machine", {"device": device, "cores": os.cpu_count()} | versions)
    with tempfile.TemporaryDirectory() as work:
        for part in parts(Path(work)):
            left = seconds - (time.monotonic() - lines.started)
            if left < LEAST:
                lines.add(part.name, {"ended": "not begun"})
            else:
                run(part, min(part.most, left), lines)


if __name__ == "__main__":
    given = sys.argv[1:]
    if len(given) > 2 or (given and not given[0].isdecimal()):
        sys.exit("error: expected on_gpu.sh [SECONDS] [FILE], found: " + " ".join(given))
    main(float(given[0]) if given else 540.0, Path(given[1] if len(given) > 1 else "lease.jsonl"))
