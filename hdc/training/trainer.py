"""Training whatever a pretext task asks for: steps, learning rate, log, resuming.

Position and randomness follow from (seed, epoch, step), so a resumed run needs only weights, the
optimizer's state, the step and the log's unfinished line.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor

from hdc.data.augment import Change, changed
from hdc.data.batches import VideoBatches
from hdc.data.prefetch import on_device
from hdc.data.views import augmented, variants_of
from hdc.objectives.pretext_task import NO_VARIANTS, PretextTask, Rows, TaskLoss, Variants, Views
from hdc.runtime.errors import InputError
from hdc.runtime.fabric import (
    device_name,
    laid_out,
    memory_facts,
    peak_device_memory,
    precision_name,
)
from hdc.runtime.lock import Lock
from hdc.runtime.lookahead import ahead, awaited
from hdc.runtime.sending import sent
from hdc.runtime.signals import Stopped, StopRequest, listening
from hdc.settings.schema import Optimization, Progress
from hdc.training.checkpoint import read_state, write_state
from hdc.training.log import Log, over_processes
from hdc.training.nonfinite import Again, Unchecked, explain, gradients_finite
from hdc.training.optimizer import build_optimizer, learning_rate

Item = TypeVar("Item")

AGREE_EVERY_STEPS = 10  # several processes ask one another whether to stop
SAVING_SHARE = 0.01  # of the time, at most, for saving states
LONGEST_SECONDS = 600.0  # more than this is never lost, whatever saving costs


class Training:
    """Steps of one optimizer over a fixed number of epochs, logged, and resumed where they stopped.

    State is kept in `<folder>/state/<name>`, where `name` stands for everything that decides the
    result: other settings start afresh beside it. `finish` removes it. While it is there, no other
    process can train into the folder. SIGTERM, SIGINT and SIGUSR1 save the state after the step
    and raise Stopped.
    """

    def __init__(
        self,
        task: PretextTask,
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
        self.state_folder = folder / "state" / name
        if fabric.is_global_zero:
            self.lock = Lock(folder / "state" / "lock")
        self.task = laid_out(task, fabric.device, channels_last=progress.channels_last)
        torch.backends.cudnn.benchmark = progress.cudnn_benchmark and not settings.deterministic
        self.change: Change | None = None
        if settings.compile:
            # Not heads and losses: they are small, and may do what no compiler understands.
            task.encoder.compile()
            self.change = torch.compile(changed)
        # What is called in training; the task itself is inside.
        self.model, self.optimizer = fabric.setup(task, build_optimizer(task, settings, fabric))
        on_gpu = fabric.device.type == "cuda"
        # One for all epochs: each stream keeps the memory that was ever used on it.
        self.copying = torch.cuda.Stream(fabric.device) if on_gpu else None
        self.log = Log(folder / log_name, progress, writes=fabric.is_global_zero)
        self.stop_request = StopRequest()
        self.seconds_before = 0.0  # that earlier processes spent on this training
        self.kept: dict[str, Any] = {}  # what else a stage must not lose; saved with the state
        self.unchecked: Unchecked | None = None
        self.step = self._resume()
        self.saved_at = self.started_at = time.monotonic()
        self.trained_from = self.trained_until = self.started_at
        self.saving_seconds = 0.0  # of the last state
        self.clips = 0  # since then

    def batches(
        self, of_epoch: Callable[[int, int], Iterable[Callable[[], Item]]], *, workers: int
    ) -> Iterator[Item]:
        """The batch of every step that is left, made ahead on threads, over ends of epochs, too.

        `of_epoch` says what makes those of an epoch, by its number, from a step inside it on. On a
        GPU a batch is there already when it is given. A signal is listened to until the last one.
        """
        self.trained_from = self.trained_until = time.monotonic()
        self.log.idle(self.trained_from - self.started_at)  # what a stage did before
        begun, inside = divmod(self.step, self.steps_per_epoch)
        tasks = chain.from_iterable(
            of_epoch(epoch, inside if epoch == begun else 0)
            for epoch in range(begun, self.total_steps // self.steps_per_epoch)
        )
        if self.copying is not None:
            device = self.fabric.device
            tasks = (partial(on_device, task, device, self.copying) for task in tasks)
        with listening() as self.stop_request:
            yield from awaited(ahead(tasks, workers=workers), self.log.waited)

    def learn(
        self, batches: VideoBatches, *, before_epoch: Callable[[], None] | None = None
    ) -> None:
        """Every step that is left."""
        views = dict(self.task.views)
        workers = batches.store.readers(self.progress.workers)
        for batch in self.batches(partial(batches.epoch, views=views), workers=workers):
            if before_epoch is not None and self.step % self.steps_per_epoch == 0:
                before_epoch()
            seen = augmented(
                batch, pixels=batches.clip.pixels, device=self.fabric.device, change=self.change
            )
            rows = torch.tensor(next(iter(batch.values())).rows)
            variants = variants_of(batch, views, device=self.fabric.device)
            self.take_step(seen, sent(rows, self.fabric.device), variants)

    def take_step(self, views: Views, rows: Rows, variants: Variants = NO_VARIANTS) -> None:
        """One step of the task on a batch of videos; raises as `update` does."""
        seen = (views, rows, self.step, variants)
        clips = sum(len(view) for view in views.values())
        self.update(self.model(*seen), clips, again=partial(_loss_of, seen))

    def update(self, task_loss: TaskLoss, clips: int, *, again: Again | None = None) -> None:
        """One optimizer step on a loss, which `clips` clips went into.

        Raises InputError if the loss or a gradient is not finite (on a GPU at the next step, so
        that no step waits for the one before), and Stopped after a signal. `again` computes the
        same loss by the model that it is given; with it the error names the first such tensor.
        """
        rate = learning_rate(self.step, self.settings, self.steps_per_epoch, self.total_steps)
        self._require_finite()
        shown = over_processes(task_loss.columns(), self.fabric)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        self.fabric.backward(task_loss.loss)
        finite = gradients_finite(self.model)
        self.unchecked = Unchecked(self.step, rate, shown, task_loss.terms, finite, again)
        if self.fabric.device.type == "cpu":
            self._require_finite()
        else:  # a fused optimizer leaves the weights as they are where this is 1
            self.optimizer.optimizer.found_inf = (~finite).float()
        self.optimizer.step()
        self.step += 1
        self.task.after_step(self.step)
        self.clips += clips * self.fabric.world_size
        self._note(clips, rate, shown)
        self.trained_until = time.monotonic()
        if self._is_due():
            self.save()
        if self._is_asked_to_stop():
            self._stop()

    def _note(self, clips: int, rate: float, values: dict[str, Tensor]) -> None:
        """Tell the log about a step."""
        self.log.add(
            self.step,
            self.step / self.steps_per_epoch,
            self.total_steps,
            clips * self.fabric.world_size,
            values | {"learning_rate": rate},
            lambda: memory_facts(self.fabric),
        )

    def _require_finite(self) -> None:
        """Refuse to go on after numbers that are not finite; no state was saved since."""
        last, self.unchecked = self.unchecked, None
        if last is None or last.is_finite():
            return
        first = "on one device alone it is told which tensor was first"
        if last.again is not None and self.fabric.world_size == 1:
            first = explain(
                self.task,
                last.again,
                precision=precision_name(self.fabric),
                inside=self.fabric.autocast(),
                step=last.step,
            )
        raise InputError(f"{last.words()}; {first}")

    def _is_due(self) -> bool:
        """Whether to save: by time and at ends of epochs, as long as that costs next to nothing."""
        since = time.monotonic() - self.saved_at
        if since > LONGEST_SECONDS:
            return True
        by_time = since > 60 * self.progress.save_every_minutes
        ends = self.step % self.steps_per_epoch == 0
        return (by_time or ends) and since * SAVING_SHARE >= self.saving_seconds

    def _is_asked_to_stop(self) -> bool:
        """Whether a signal came; with several processes, to any of them."""
        if self.fabric.world_size == 1:
            return bool(self.stop_request)
        if self.step % AGREE_EVERY_STEPS:
            return False
        asked = torch.tensor(float(bool(self.stop_request)), device=self.fabric.device)
        return bool(self.fabric.all_reduce(asked, reduce_op="sum"))

    def _stop(self) -> None:
        self.save()
        self.log.close()
        self.fabric.barrier()  # the first process writes; it is killed where another has failed
        if not self.fabric.is_global_zero:
            raise SystemExit
        name = self.stop_request.signal.name if self.stop_request.signal else "another process"
        raise Stopped(
            f"by {name} after step {self.step} of {self.total_steps}; the state is saved, "
            "run the same again to go on"
        )

    def save(self) -> None:
        """Write the state from which this run goes on."""
        self._require_finite()
        state = {
            "step": self.step,
            "model": self.task.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "seconds": self.seconds_before + time.monotonic() - self.started_at,
            "log": self.log.state(),
            "kept": self.kept,
        }
        if self.fabric.is_global_zero:
            self.saving_seconds = write_state(self.state_folder, self.step, state)
            self.log.saved(self.saving_seconds)
        self.saved_at = time.monotonic()

    def cost(self) -> dict[str, Any]:
        """What a record says of it: where and how long it computed, and how much memory it took."""
        return {
            "seconds_before": self.seconds_before,
            "device": device_name(self.fabric),
            "peak_memory_bytes": peak_device_memory(self.fabric),
        }

    def clips_per_second(self) -> float | None:
        """Clips a second since this process began to train; None if there were none."""
        seconds = self.trained_until - self.trained_from
        return round(self.clips / seconds, 2) if self.clips else None

    def finish(self) -> None:
        """Remove the state: the run has written its result."""
        self.log.close()
        if self.fabric.is_global_zero:
            self.lock.release()
            shutil.rmtree(self.state_folder.parent, ignore_errors=True)

    def _resume(self) -> int:
        """Load an interrupted run's state, if there is one; the step to go on from."""
        state, digest = read_state(self.state_folder, self.fabric.device)
        self._require_agreement(digest)
        if state is None:
            earlier = {path.parent.name for path in self.state_folder.parent.glob("*/*.pt")}
            if earlier and self.fabric.is_global_zero:
                names = ", ".join(sorted(earlier))
                print(f"settings changed: starting afresh, beside {names}", flush=True)
            self.log.restore(0, None)
            return 0
        self.task.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.log.restore(state["step"], state["log"])
        self.seconds_before = state["seconds"]
        self.kept = state["kept"]
        if self.fabric.is_global_zero:
            print(f"resuming at step {state['step']} of {self.total_steps}", flush=True)
        return state["step"]

    def _require_agreement(self, digest: bytes) -> None:
        """Refuse to go on from different states: each process reads its own, by its own disk."""
        if self.fabric.world_size == 1:
            return
        ours = torch.tensor([*digest], dtype=torch.int64, device=self.fabric.device)
        if not (self.fabric.all_gather(ours) == ours).all():
            raise InputError(
                f"{self.state_folder}: expected all processes to see the same newest state, found "
                "different ones; a network file system may lag: start again in a minute"
            )


def _loss_of(seen: tuple[Views, Rows, int, Variants], task: PretextTask) -> Tensor:
    """The loss of a step, computed by `task` of what it saw in it."""
    return task(*seen).loss
