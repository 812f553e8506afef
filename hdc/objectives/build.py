"""The pretext task that a run asks for."""

from collections.abc import Mapping

import pandas as pd
from torch import nn

from hdc.objectives.contrastive_model import contrastive_model
from hdc.objectives.pretext_task import PretextTask
from hdc.objectives.supervised import SupervisedTask
from hdc.settings.schema import Objective, Pretrain


def build_task(
    encoder: nn.Module,
    pretrain: Pretrain,
    objective: Objective,
    labels: pd.Series,
    *,
    seed: int,
    steps: int,
    frozen: Mapping[str, float] | None = None,
) -> PretextTask:
    """The encoder under a contrast, or under labels where the run asks so.

    `labels`: of every video of the index. `steps`: of the whole training. `frozen`: weights by term
    that were measured before.
    """
    if pretrain.labels:
        targets, names = pd.factorize(labels, sort=True)
        return SupervisedTask(encoder, targets, labels=len(names), seed=seed)
    return contrastive_model(
        encoder, objective, seed=seed, total_steps=steps, frozen=frozen, chunk=pretrain.chunk
    )
