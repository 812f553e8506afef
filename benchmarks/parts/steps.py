"""The two ways to compute a pretraining step that `train_step.py` compares."""

import argparse
import itertools
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor
from torchvision.transforms.v2 import functional

from hdc.data.augment import blur_radius
from hdc.data.batches import ClipBatch
from hdc.data.draws import Draw, draw
from hdc.data.normalization import MEAN, STANDARD_DEVIATION
from hdc.data.pixel_noise import normal_noise
from hdc.data.views import augmented
from hdc.encoders.build import build_encoder
from hdc.objectives.self_supervised import SelfSupervisedTask, self_supervised_task
from hdc.runtime.seeding import generator
from hdc.settings.compose import compose_run, plain, typed
from hdc.settings.objective import View
from hdc.training.trainer import Training

LONG_ENOUGH = 16  # frames that leave every level two time steps or more
MANY = 10**5  # steps, more than are taken


class Clock:
    """The moments of one step, on the time line of the device that it runs on."""

    def __init__(self, device: torch.device) -> None:
        self.on_gpu = device.type == "cuda"
        self.moments: list[tuple[str, float | torch.cuda.Event]] = []

    def mark(self, ended: str) -> None:
        """Note that a part of the step has ended; `start` begins a step."""
        if ended == "start":
            self.moments = []
        now: float | torch.cuda.Event = time.perf_counter()
        if self.on_gpu:
            now = torch.cuda.Event(enable_timing=True)
            now.record()
        self.moments.append((ended, now))

    def shares(self) -> dict[str, float]:
        """Share of the last step by part; parts of one name are added up."""
        seconds: dict[str, float] = {}
        for (_, begun), (name, ended) in itertools.pairwise(self.moments):
            passed = begun.elapsed_time(ended) if self.on_gpu else ended - begun
            seconds[name] = seconds.get(name, 0.0) + passed
        return {name: passed / sum(seconds.values()) for name, passed in seconds.items()}


class Ours:
    """Steps of `hdc.training.trainer` on one batch, which is given to it anew each time."""

    def __init__(self, run: SimpleNamespace, fabric: Fabric, folder: Path) -> None:
        self.run, self.fabric, self.clock = run, fabric, Clock(fabric.device)
        self.training = Training(
            _model(run),
            run.pretrain,
            run.progress,
            fabric=fabric,
            epochs=1,
            steps_per_epoch=MANY,
            folder=folder,
            name="benchmark",
            log_name="log.jsonl",
        )
        self.model: SelfSupervisedTask = self.training.model.module
        self.model.encoder.register_forward_hook(self._encoded)
        self.batches = self.training.batches(lambda *_: [lambda: run.batch] * MANY, workers=1)

    def _encoded(self, _: torch.nn.Module, __: tuple, features: Mapping[str, Tensor]) -> None:
        """Mark the network's end, and where the gradient comes back to it from heads and loss."""
        self.clock.mark("network")
        last = features[list(features)[-1]]
        if last.requires_grad:
            last.register_hook(lambda _: self.clock.mark("loss and heads"))

    def step(self) -> None:
        """One step, as `hdc.pretrain` takes it."""
        self.clock.mark("start")
        batch = next(self.batches)
        views = augmented(batch, pixels=self.run.clip.pixels, device=self.fabric.device)
        self.clock.mark("augmentation")
        task_loss = self.training.model(views, batch["a"].rows, self.training.step)
        self.clock.mark("loss and heads")
        self.training.update(task_loss, clips=len(views) * len(batch["a"].rows))
        self.clock.mark("network")  # and the optimizer

    @torch.no_grad()
    def terms(self) -> dict[str, Tensor]:
        """The loss and its terms in float32, with the batch norms' running statistics."""
        views = augmented(self.run.batch, pixels=self.run.clip.pixels, device=self.fabric.device)
        self.model.eval()
        task_loss = self.model(views, [], 0)
        self.model.train()
        return task_loss.columns()


class Straightforward:
    """The same from the plain parts of torch and torchvision, started with the same weights."""

    def __init__(self, run: SimpleNamespace, ours: Ours) -> None:
        self.run, self.device = run, ours.fabric.device
        self.clock = Clock(self.device)
        model = _model(run)
        model.load_state_dict(ours.model.state_dict())
        self.encoder = model.encoder.to(self.device)
        self.heads = model.objective.heads.to(self.device)
        self.optimizer = torch.optim.SGD(
            [*self.encoder.parameters(), *self.heads.parameters()],
            lr=run.pretrain.learning_rate / MANY,  # ours is warming up
            momentum=run.pretrain.momentum,
            weight_decay=run.pretrain.weight_decay,
        )
        on_gpu = self.device.type == "cuda"
        self.map: Callable = ThreadPoolExecutor(os.cpu_count()).map if on_gpu else map

    def step(self) -> None:
        """One step of the optimizer."""
        self.clock.mark("start")
        views = self.views()
        self.clock.mark("augmentation")
        loss = self.losses(views)["loss"]
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.clock.mark("network, loss and heads")

    def views(self) -> dict[str, Tensor]:
        """The augmented clips by view, (video, channel, time, height, width)."""
        pixels, views = self.run.clip.pixels, {}
        for name, view in self.run.batch.items():
            transform = partial(augmented_clip, pixels=pixels)
            clips = self.map(transform, view.parts[0], view.draws)
            views[name] = torch.stack(list(clips)).transpose(1, 2).contiguous().to(self.device)
        return views

    def losses(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The loss and its terms: a forward pass a subtask, a loss a level and time step."""
        objective, terms, weighed = self.run.objective, {}, []
        for subtask, settings in objective.in_use().items():
            ((view, partner),) = settings.pairs
            features = self.encoder(torch.cat([views[view], views[partner]]))
            for (level, maps), weight in zip(features.items(), settings.weights, strict=True):
                pooled = maps.mean(dim=(3, 4))  # (clip, channel, time)
                if settings.pool == "clip":
                    pooled = pooled.mean(dim=2, keepdim=True)
                name = f"{subtask}_{level}"
                steps = [self.heads[name](moment) for moment in pooled.unbind(dim=2)]
                losses = [plain_contrast(rows, settings.loss["temperature"]) for rows in steps]
                terms[name] = torch.stack(losses).mean()
                weighed.append(weight * terms[name])
        total = sum(sum(term.weights) for term in objective.in_use().values())
        return {"loss": torch.stack(weighed).sum() / total} | terms

    @torch.no_grad()
    def terms(self) -> dict[str, Tensor]:
        """As those of `Ours`."""
        self.encoder.eval()
        terms = self.losses(self.views())
        self.encoder.train()
        return terms


def plain_contrast(rows: Tensor, temperature: float) -> Tensor:
    """Cross-entropy over the similarities of (2 * video, dim): the first views, then the others."""
    rows = F.normalize(rows, dim=1)
    similarity = (rows @ rows.T / temperature).fill_diagonal_(float("-inf"))
    partner = torch.arange(len(rows), device=rows.device).roll(len(rows) // 2)
    return F.cross_entropy(similarity, partner)


def augmented_clip(clip: Tensor, drawn: Draw, *, pixels: int) -> Tensor:
    """A stored clip (time, height, width, channel) as torchvision augments it, time first."""
    x = functional.to_dtype(clip.permute(0, 3, 1, 2), torch.float32, scale=True)
    size = [pixels, pixels]
    x = functional.resized_crop(
        x, drawn.top, drawn.left, drawn.height, drawn.width, size, antialias=True
    )
    if drawn.flip:
        x = functional.horizontal_flip(x)
    if drawn.hue:  # the colours are jittered all together, or not at all
        x = functional.adjust_brightness(x, drawn.brightness)
        x = functional.adjust_contrast(x, drawn.contrast)
        x = functional.adjust_saturation(x, drawn.saturation)
        x = functional.adjust_hue(x, drawn.hue)
    if drawn.greyscale:
        x = functional.rgb_to_grayscale(x, num_output_channels=3)
    if drawn.blur_sigma:
        x = functional.gaussian_blur(x, [2 * blur_radius(pixels) + 1] * 2, [drawn.blur_sigma] * 2)
    if drawn.noise:
        seed = torch.tensor([drawn.noise_seed]).to(torch.int32)
        noise = normal_noise(seed, x.numel()).view(x.transpose(0, 1).shape)
        x = (x + drawn.noise * noise.transpose(0, 1)).clamp(0, 1)
    return functional.normalize(x, [MEAN] * 3, [STANDARD_DEVIATION] * 3)


def run_of(backbone: str, options: argparse.Namespace, *, on_gpu: bool) -> SimpleNamespace:
    """Settings of a run, and a batch as the store gives it, with its draws."""
    frames = options.frames or (16 if on_gpu else 8)
    run = compose_run(
        "hdc" if frames >= LONG_ENOUGH else "pooled_spatial",
        backbone=backbone,
        data="ucf101" if on_gpu else "synthetic",
        scale="paper" if on_gpu else "demo",
        overrides=[f"clip.frames={frames}", f"progress.log_every_steps={MANY}"],
    )
    nodes = ("clip", "objective", "augment", "pretrain", "progress")
    typed_run = SimpleNamespace(**dict(zip(nodes, typed(run, *nodes), strict=True)))
    typed_run.backbone = plain(run.backbone)
    typed_run.videos = options.batch or typed_run.pretrain.batch_size
    size = {"height": 128, "width": 171} if on_gpu else {"height": 40, "width": 40}
    typed_run.batch = {
        name: _clips(typed_run, view, **size) for name, view in typed_run.objective.views.items()
    }
    return typed_run


def _clips(run: SimpleNamespace, view: View, *, height: int, width: int) -> ClipBatch:
    """Stored clips of a view: coloured squares that differ from video to video and drift."""
    random, size = torch.Generator().manual_seed(0), {"height": height, "width": width}
    squares = torch.randint(256, (run.videos, 32, 44, 3), generator=random, dtype=torch.uint8)
    large = squares.repeat_interleave(8, 1).repeat_interleave(8, 2)
    times = range(view.crop * run.clip.frames, (view.crop + 1) * run.clip.frames)
    clips = torch.stack([large[:, t : t + height, t : t + width] for t in times], dim=1)
    draws = [
        draw(generator(0, view.draw, video), run.augment, pixels=run.clip.pixels, **size)
        for video in range(run.videos)
    ]
    draws = [replace(drawn, noise_seed=drawn.noise_seed + view.crop) for drawn in draws]
    return ClipBatch(list(range(run.videos)), [0] * run.videos, (clips,), draws)


def _model(run: SimpleNamespace) -> SelfSupervisedTask:
    encoder = build_encoder(run.backbone, seed=0)
    told = {"seed": 0, "total_steps": MANY, "frames": run.clip.frames}
    return self_supervised_task(encoder, run.objective, **told)
