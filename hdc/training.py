"""The part of training that is the same whatever is learned: steps, learning rate, log, resuming.

The loop itself stands in each stage. Position and randomness follow from (seed, epoch, step), so a
resumed run needs only weights, the optimizer's state and the step.
"""

import io
import math
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from hdc.atomic import write_bytes
from hdc.data.batches import ahead
from hdc.errors import InputError
from hdc.progress import threads
from hdc.records import peak_memory, processor
from hdc.settings import Optimization, Progress
from hdc.training_log import Log


def start_fabric(precision: str) -> Fabric:
    """Lightning Fabric on the GPU that is visible, or on the threads this process was given."""
    torch.set_num_threads(threads())
    fabric = Fabric(accelerator="auto", devices=1, precision=precision)
    fabric.launch()
    return fabric


def device_name(fabric: Fabric) -> str:
    """The device a record names."""
    if fabric.device.type == "cuda":
        return torch.cuda.get_device_name(fabric.device)
    return f"{processor()}, {torch.get_num_threads()} thread(s)"


def peak_device_memory(fabric: Fabric) -> int:
    """The most memory used so far, in bytes: the GPU's if there is one, else the process's."""
    if fabric.device.type == "cuda":
        return torch.cuda.max_memory_allocated(fabric.device)
    return peak_memory()


def laid_out(model: nn.Module, fabric: Fabric) -> nn.Module:
    """The same model with its weights in the memory layout that its device is fast with.

    On processors channels-last-3d trains 1.7 times as fast (`docs/performance.md`).
    """
    if fabric.device.type == "cpu":
        for module in model.modules():
            if isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)
    return model


class Training:
    """Steps of one optimizer over a fixed number of epochs, logged, and resumed where they stopped.

    State is kept in `<folder>/state/<name>`, where `name` stands for everything that decides the
    result: other settings start afresh beside it. `finish` removes it.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: Optimization,
        progress: Progress,
        *,
        fabric: Fabric,
        epochs: int,
        steps_per_epoch: int,
        folder: Path,
        name: str,
        log_name: str,
    ) -> None:
        self.settings, self.fabric, self.progress = settings, fabric, progress
        self.steps_per_epoch = steps_per_epoch
        self.total_steps = epochs * steps_per_epoch
        model = laid_out(model, fabric)
        self.model, self.optimizer = fabric.setup(model, _optimizer(model, settings))
        self.state_path = folder / "state" / name / "state.pt"
        self.log = Log(folder / log_name, progress)
        self.seconds_before = 0.0  # that earlier processes spent on this training
        self.step = self._resume()
        self.saved_at = self.started_at = time.monotonic()
        self.clips = 0  # since then

    def epochs(self) -> Iterator[tuple[int, int]]:
        """The epochs still to do, each with the step inside it to start from."""
        while self.step < self.total_steps:
            yield divmod(self.step, self.steps_per_epoch)

    def batches(self, items: Iterable) -> Iterator:
        """The same items, made ahead on a thread; the time spent waiting for them is logged."""
        iterator = iter(ahead(items))
        while True:
            asked = time.monotonic()
            item = next(iterator, None)
            self.log.waited(time.monotonic() - asked)
            if item is None:
                return
            yield item

    def update(self, loss: Tensor, clips: int, **terms: Tensor | float) -> None:
        """One optimizer step on `loss`, which `clips` clips went into; `terms` go to the log.

        Raises InputError if the loss is not finite.
        """
        rate = learning_rate(self.step, self.settings, self.steps_per_epoch, self.total_steps)
        if not torch.isfinite(loss):
            found = {name: float(torch.as_tensor(value).detach()) for name, value in terms.items()}
            raise InputError(
                f"expected a finite loss, got {loss.item()} at step {self.step} with learning rate "
                f"{rate:g}; terms: {found}; lower the learning rate"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()
        self.step += 1
        self.clips += clips
        epoch = self.step / self.steps_per_epoch
        values = {"loss": loss, **terms, "learning_rate": rate}
        self.log.add(
            self.step,
            epoch,
            self.total_steps,
            clips,
            values,
            lambda: peak_device_memory(self.fabric),
        )
        due = time.monotonic() - self.saved_at > 60 * self.progress.save_every_minutes
        if due and self.log.between_lines:  # a line is a mean over steps of one process
            self.save()

    def save(self) -> None:
        """Write the state from which this run goes on."""
        state = {
            "step": self.step,
            "model": self.model.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "seconds": self.seconds_before + time.monotonic() - self.started_at,
            "log": self.log.text(),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_bytes(self.state_path, buffer.getvalue())
        self.saved_at = time.monotonic()

    def clips_per_second(self) -> float | None:
        """Clips trained on by this process per second of its training; None if there were none."""
        seconds = time.monotonic() - self.started_at
        return round(self.clips / seconds, 2) if self.clips else None

    def finish(self) -> None:
        """Remove the state: the run has written its result."""
        self.log.close()
        shutil.rmtree(self.state_path.parent.parent, ignore_errors=True)

    def _resume(self) -> int:
        """Load an interrupted run's state, if there is one; the step to go on from."""
        if not self.state_path.is_file():
            others = [path.name for path in self.state_path.parent.parent.glob("*")]
            if others:
                print(f"settings changed: starting afresh, beside {', '.join(others)}", flush=True)
            self.log.restore("")
            return 0
        state = torch.load(self.state_path, map_location=self.fabric.device, weights_only=True)
        self.model.module.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.log.restore(state["log"])
        self.seconds_before = state["seconds"]
        print(f"resuming at step {state['step']} of {self.total_steps}", flush=True)
        return state["step"]


def learning_rate(
    step: int, settings: Optimization, steps_per_epoch: int, total_steps: int
) -> float:
    """The rate of a step: linear from 0 over the warm-up, then half a cosine down to 0.

    Source: SGDR (arXiv 1608.03983), eq. 5, one period.
    """
    warmup = settings.warmup_epochs * steps_per_epoch
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, total_steps - warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def _optimizer(model: nn.Module, settings: Optimization) -> torch.optim.Optimizer:
    shared = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), momentum=settings.momentum, **shared)
    return torch.optim.AdamW(model.parameters(), betas=(settings.momentum, 0.999), **shared)
