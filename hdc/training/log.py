"""What a training writes while it runs: log.jsonl, and a bar or a line a minute for people."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from hdc.runtime.atomic_files import write_text
from hdc.runtime.errors import InputError
from hdc.settings.schema import Progress

LINE_SECONDS = 60.0  # between two lines for people, where there is no terminal


class Log:
    """One JSON object a line every few steps, each value a mean over those steps, and a bar.

    Without a terminal a shorter line a minute goes to standard output. With `tensorboard` the same
    values go to event files beside it. Only a process that `writes` leaves anything.
    """

    def __init__(self, path: Path, progress: Progress, *, writes: bool = True) -> None:
        self.path, self.every, self.writes = path, progress.log_every_steps, writes
        self.bar: tqdm | None = None
        self.loss: float | None = None  # of the last line
        self.printed_at = -LINE_SECONDS
        self.events = _events(path) if progress.tensorboard and writes else None
        self._start_group()

    def _start_group(self) -> None:
        self.values: dict[str, list[Tensor]] = {}
        self.earlier: dict[str, list[float]] = {}  # of this line's steps before a resume
        self.clips, self.wait_seconds, self.saving_seconds = 0, 0.0, 0.0
        self.since = time.monotonic()

    def idle(self, seconds: float) -> None:
        """Leave out time in which nothing was trained."""
        self.since += seconds

    def waited(self, seconds: float) -> None:
        """Count time in which the network waited for data."""
        self.wait_seconds += seconds

    def saved(self, seconds: float) -> None:
        """Count time that writing a state took."""
        self.saving_seconds += seconds

    def state(self) -> dict[str, Any]:
        """What the unfinished line and the last one need, for the state that a run resumes from."""
        values = {name: self._numbers(name) for name in self.earlier | self.values}
        seconds = time.monotonic() - self.since
        times = {"wait": self.wait_seconds, "saving": self.saving_seconds, "seconds": seconds}
        return {"values": values, "clips": self.clips, "loss": self.loss} | times

    def restore(self, step: int, state: dict[str, Any] | None) -> None:
        """Go on after `step`: later lines are of steps to be done again, and are cut."""
        if self.writes:
            write_text(self.path, "".join(f"{line}\n" for line in self._lines(step)))
        self._start_group()
        if state is None:
            return
        self.loss, self.clips = state["loss"], state["clips"]
        self.wait_seconds, self.saving_seconds = state["wait"], state["saving"]
        self.since -= state["seconds"]
        self.earlier = state["values"]

    def _numbers(self, name: str) -> list[float]:
        """A value at the steps of the unfinished line, wherever they were computed."""
        new = self.values.get(name, [])
        return self.earlier.get(name, []) + (torch.stack(new).tolist() if new else [])

    def _lines(self, step: int) -> list[str]:
        """The whole lines so far, up to a step."""
        if step == 0 or not self.path.is_file():
            return []
        kept = []
        for line in self.path.read_text(errors="replace").splitlines():
            try:
                if json.loads(line)["step"] > step:
                    break
            except (ValueError, KeyError, TypeError):  # what a killed process left of a line
                break
            kept.append(line)
        return kept

    def add(
        self,
        step: int,
        epoch: float,
        total: int,
        clips: int,
        values: dict[str, Tensor | float],  # by column
        memory: Callable[[], dict[str, int]],
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
        numbers = {name: self._numbers(name) for name in self.values}
        steps = len(next(iter(numbers.values())))
        left = (total - step) * seconds / steps
        line = {"step": step, "steps": total, "epoch": round(epoch, 4)}
        for name, group in numbers.items():
            line[name] = float(torch.tensor(group, dtype=torch.float64).mean())
        line["clips_per_second"] = round(self.clips / seconds, 2)
        line["data_wait_share"] = round(self.wait_seconds / seconds, 4)
        line["saving_share"] = round(self.saving_seconds / seconds, 4)
        line |= memory()
        line["seconds_left"] = round(left, 1)
        self.loss = line["loss"]
        if self.writes:
            self._write(line, total)
        self._start_group()

    def _write(self, line: dict, total: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if self.events is not None:
            for name, value in line.items():
                self.events.add_scalar(name, value, line["step"])
        loss, speed = f"{line['loss']:.4f}", f"{line['clips_per_second']:.0f} clips/s"
        if sys.stderr.isatty():
            self.bar = self.bar or tqdm(total=total, unit="step", dynamic_ncols=True)
            self.bar.update(line["step"] - self.bar.n)
            self.bar.set_postfix_str(f"loss {loss}, {speed}")
        elif time.monotonic() - self.printed_at >= LINE_SECONDS or line["step"] == total:
            print(f"step {line['step']}/{total} loss {loss} {speed}", flush=True)
            self.printed_at = time.monotonic()

    def close(self) -> None:
        """End the bar and the event file."""
        if self.bar is not None:
            self.bar.close()
        if self.events is not None:
            self.events.close()


def over_processes(values: dict[str, Tensor], fabric: Fabric) -> dict[str, Tensor]:
    """Means over the processes: what is not computed on the whole batch differs in each."""
    values = {name: value.detach() for name, value in values.items()}
    if fabric.world_size == 1:
        return values
    stacked = torch.stack([value.float() for value in values.values()])
    return dict(zip(values, fabric.all_reduce(stacked, reduce_op="mean"), strict=True))


def _events(path: Path) -> Any:
    """A writer of TensorBoard's event files, in a folder called like the log."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError(
            "progress.tensorboard: expected the package tensorboard, found none; "
            "python -m pip install tensorboard, or leave it out"
        ) from error
    return SummaryWriter(str(path.with_name(f"{path.name}.events")))
