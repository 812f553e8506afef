"""The task that a run asks for, in pretraining and in fine-tuning."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int
from torch import nn

from hdc.objectives.frozen_encoder import FrozenTask
from hdc.objectives.pretext_task import PretextTask
from hdc.objectives.self_supervised import self_supervised_task
from hdc.objectives.supervised import LabelTask, SupervisedTask, label_weights
from hdc.settings.objective import Objective
from hdc.settings.schema import Finetune, Pretrain


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
) -> PretextTask:
    """The encoder under the terms of an objective, or under labels where the run asks so.

    `labels`: of every video of the index. `steps`: of the whole training. `frames`: of a clip.
    `frozen`: weights by term that were measured before.
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
