"""The encoders that a study trains, each tried in the precision and shapes of its training."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from hdc.encoders.build import build_to_fill
from hdc.objectives.terms import views_in_use
from hdc.runtime.errors import InputError
from hdc.runtime.fabric import chosen_precision
from hdc.settings.compose import compose_run, plain, typed
from hdc.study.study import Study
from hdc.training.soundness import EXACT, agreement, check_layers


@dataclass(frozen=True)
class Trained:
    """An encoder as one stage trains it."""

    backbone: str
    settings: dict[str, Any]
    clips: tuple[int, int, int, int, int]  # batch, 3, time, height, width
    key: str  # of the setting that asks for a precision
    precision: str  # the one that this machine uses

    def words(self) -> str:
        """Which encoder it is, and on which clips."""
        batch, _, frames, height, width = self.clips
        return f"{self.backbone}, {batch} clips of {frames} x {height} x {width}"


def examine_networks(study: Mapping[str, Any]) -> Iterator[tuple[bool | None, str]]:
    """A line for each network of a study's configuration, and whether it is sound; None: unknown.

    One line for all that train in full float32 on a processor: these are not computed. Heads are
    left out here; on a processor every training looks at its whole model again.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        networks = list(trained_networks(Study.read(study)))
    except KeyError as error:
        yield False, f"expected a study, found no {error.args[0]}"
        return
    except InputError as error:
        yield False, str(error)
        return
    except (TypeError, AttributeError):
        yield False, "expected a study, found one with a wrong value; snakemake -n names its key"
        return
    reduced = [
        trained for trained in networks if device.type == "cuda" or trained.precision != EXACT
    ]
    if len(reduced) < len(networks):
        yield True, f"networks: {len(networks) - len(reduced)} train in {EXACT} on the processor"
    for trained in reduced:
        yield _examined(trained, device)


def _examined(trained: Trained, device: torch.device) -> tuple[bool | None, str]:
    words = f"networks: {trained.words()} in {trained.precision} on {device.type}"
    network = build_to_fill(trained.settings)
    try:
        result = check_layers(network, trained.clips, device=device, precision=trained.precision)
    except RuntimeError as error:  # also raised when memory does not suffice
        return None, f"{words}: not measured: {str(error).splitlines()[0]}"
    if result.problem:
        return False, f"{words}: {result.problem}; set {trained.key} to {EXACT}"
    return True, f"{words}: {agreement(result)}"


def trained_networks(study: Study) -> Iterator[Trained]:
    """Each once: runs that differ in neither encoder, shapes nor precision are the same."""
    seen: list[Trained] = []
    for evaluation in study.evaluations():
        run = compose_run(
            evaluation.run.ablation,
            backbone=evaluation.run.backbone,
            data=evaluation.data,
            scale=study.scale,
            protocol=study.protocol,
        )
        for trained in _stages(evaluation.run.backbone, run):
            if trained not in seen:
                seen.append(trained)
                yield trained


def _stages(backbone: str, run: Any) -> Iterator[Trained]:
    """What pretraining and fine-tuning do with the encoder of a run, in one of its processes."""
    settings = plain(run.backbone)
    clip, pretrain, finetune, objective, progress = typed(
        run, "clip", "pretrain", "finetune", "objective", "progress"
    )
    frame = (3, clip.frames, clip.pixels, clip.pixels)
    trains = run.encoder is None and run.pretrained_by is None
    if trains and math.ceil(pretrain.epochs * pretrain.epochs_factor):
        videos, views = pretrain.batch_size // progress.devices, 1
        if not pretrain.labels:
            videos, views = min(videos, pretrain.chunk or videos), len(views_in_use(objective))
        clips = (videos * views, *frame)
        precision = chosen_precision(pretrain.precision)
        yield Trained(backbone, settings, clips, "pretrain.precision", precision)
    clips = (finetune.batch_size, *frame)
    precision = chosen_precision(finetune.precision)
    yield Trained(backbone, settings, clips, "finetune.precision", precision)
