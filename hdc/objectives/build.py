"""The encoders and the task that a run asks for, in pretraining and in fine-tuning."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from torch import nn

from hdc.encoders.build import build_encoder
from hdc.objectives.frozen_encoder import FrozenTask
from hdc.objectives.pretext_task import PretextTask
from hdc.objectives.self_supervised import self_supervised_task
from hdc.objectives.supervised import LabelTask, SupervisedTask, label_weights
from hdc.settings.objective import Objective
from hdc.settings.schema import Finetune, Pretrain


def build_encoders(
    network: dict[str, Any], pretrain: Pretrain, objective: Objective, *, seed: int
) -> tuple[nn.Module, dict[str, nn.Module]]:
    """A run's encoder, and those of its other inputs where each has its own, by input."""
    if pretrain.labels:
        return build_encoder(network, seed=seed), {}
    sees = objective.exported
    names = objective.inputs() - {sees} if objective.encoders == "by_input" else set()
    others = {name: build_encoder(network, seed=seed, sees=name) for name in sorted(names)}
    return build_encoder(network, seed=seed, sees=sees), others


def build_task(
    encoder: nn.Module,
    pretrain: Pretrain,
    objective: Objective,
    labels: pd.Series,
    *,
    seed: int,
    steps: int,
    frames: int,
    frozen: Mapping[str, float] | None = None,
    others: Mapping[str, nn.Module] | None = None,
) -> PretextTask:
    """The encoder under the terms of an objective, or under labels where the run asks so.

    `labels`: of every video of the index. `steps`: of the whole training. `frames`: of a clip.
    `frozen`: weights by term that were measured before. `others`: encoders of other inputs than
    the one of `encoder`, by input.
    """
    if pretrain.labels:
        targets, names = pd.factorize(labels, sort=True)
        return SupervisedTask(encoder, targets, labels=len(names), seed=seed)
    return self_supervised_task(
        encoder,
        objective,
        seed=seed,
        total_steps=steps,
        frames=frames,
        frozen=frozen,
        chunk=pretrain.chunk,
        others=others,
    )


def build_label_task(
    encoder: nn.Module,
    targets: Int[np.ndarray, " video"],
    settings: Finetune,
    *,
    labels: int,
    trained: Sequence[int] | Int[np.ndarray, " row"],
    seed: int,
) -> LabelTask:
    """An encoder to fine-tune, or to keep as it is, with its head.

    `targets`: the number of the label of every video of the index. `trained`: the rows of those
    that teach it.
    """
    weights = label_weights(targets[trained], labels) if settings.class_balanced else None
    told = {"labels": labels, "seed": seed, "label_weights": weights}
    if settings.frozen:
        return FrozenTask(encoder, targets, settings=settings.frozen, **told)
    return SupervisedTask(encoder.train(), targets, dropout=settings.dropout, **told)
