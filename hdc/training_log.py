"""What a training writes while it runs: log.jsonl, and a bar or short lines for people."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from hdc.atomic import write_text
from hdc.settings import Progress


class Log:
    """One JSON object a line every few steps, each value a mean over those steps, and a bar.

    Without a terminal the same lines, shortened, go to standard output.
    """

    def __init__(self, path: Path, progress: Progress) -> None:
        self.path, self.every = path, progress.log_every_steps
        self.bar: tqdm | None = None
        self.loss: float | None = None  # of the last line
        self._start_group()

    def _start_group(self) -> None:
        self.values: dict[str, list] = {}
        self.clips, self.wait_seconds, self.since = 0, 0.0, time.monotonic()

    def waited(self, seconds: float) -> None:
        """Count time in which the network waited for data."""
        self.wait_seconds += seconds

    @property
    def between_lines(self) -> bool:
        """Whether every step so far is in a line."""
        return not self.values

    def text(self) -> str:
        """All lines so far, for the state that a run is resumed from."""
        return self.path.read_text() if self.path.is_file() else ""

    def restore(self, text: str) -> None:
        """Go on from these lines; whatever else stands in the file is of steps to be done again."""
        write_text(self.path, text)
        if text:
            self.loss = json.loads(text.splitlines()[-1])["loss"]

    def add(
        self,
        step: int,
        epoch: float,
        total: int,
        clips: int,
        values: dict[str, Tensor | float],
        memory: Callable[[], int],
    ) -> None:
        """Count one step; at the end of a group write its line."""
        for name, value in values.items():
            # Kept as tensors: reading one off a GPU would make every step wait.
            value = torch.as_tensor(value, dtype=torch.float64).detach()
            self.values.setdefault(name, []).append(value)
        self.clips += clips
        if step % self.every and step < total:
            return
        seconds = max(time.monotonic() - self.since, 1e-9)
        line = {"step": step, "epoch": round(epoch, 4)}
        line |= {name: float(torch.stack(group).mean()) for name, group in self.values.items()}
        line["clips_per_second"] = round(self.clips / seconds, 2)
        line["data_wait_share"] = round(self.wait_seconds / seconds, 4)
        line["peak_memory_bytes"] = memory()
        self.loss = line["loss"]
        self._write(line, total)
        self._start_group()

    def _write(self, line: dict, total: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        loss, speed = f"{line['loss']:.4f}", f"{line['clips_per_second']:.0f} clips/s"
        if not sys.stderr.isatty():
            print(f"step {line['step']}/{total} loss {loss} {speed}", flush=True)
            return
        self.bar = self.bar or tqdm(total=total, unit="step", dynamic_ncols=True)
        self.bar.update(line["step"] - self.bar.n)
        self.bar.set_postfix_str(f"loss {loss}, {speed}")

    def close(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()
