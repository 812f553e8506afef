"""A head on an encoder that stays as it is, and beside it the same head on every control.

A head can work out by itself what features of single frames do not hold, motion above all: an
attentive one sees the features of all times at once. So what it reaches on plain clips is shown
beside what it reaches when it is trained and tested on clips without motion or order.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hdc.objectives.pretext_task import NO_VARIANTS, Rows, TaskLoss, Variants, Views
from hdc.objectives.supervised import CLIP, LabelTask, LabelWeights
from hdc.runtime.errors import InputError
from hdc.runtime.seeding import torch_seed
from hdc.settings.objective import View
from hdc.settings.schema import Frozen

CONTROLS = {
    "still": View(crop=1, draw="a", still=True),
    "shuffled": View(crop=1, draw="a", order="shuffled"),
    "reversed": View(crop=1, draw="a", order="reversed"),
}


class FrozenTask(LabelTask):
    """A frozen encoder and a head for plain clips and for each control; they share no weights.

    All heads start alike and see the same crops of the same videos. The encoder is in evaluation
    mode throughout: no gradient reaches it, and its batch norms keep their statistics.
    """

    def __init__(
        self,
        encoder: nn.Module,
        targets: Int[np.ndarray, " video"],
        *,
        labels: int,
        seed: int,
        settings: Frozen,
        label_weights: LabelWeights = None,
    ) -> None:
        """As for any `LabelTask`. Raises InputError for attention heads that do not fit."""
        told = {"dropout": settings.dropout, "label_weights": label_weights}
        super().__init__(encoder, targets, seed=seed, **told)
        self.views |= CONTROLS
        encoder.requires_grad_(False).eval()
        channels = list(encoder.levels.values())[-1].channels
        self.heads = nn.ModuleDict()
        for view in self.views:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(torch_seed(seed, "classifier"))
                pool = _pool(channels, settings)
                self.heads[view] = nn.ModuleList([pool, nn.Linear(channels, labels)])

    def train(self, mode: bool = True) -> "FrozenTask":
        """Set the mode of the heads; that of the encoder stays."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(
        self, views: Views, rows: Rows, step: int, variants: Variants = NO_VARIANTS
    ) -> TaskLoss:
        """The sum of all heads' cross-entropies in nats; that and the accuracy of plain clips."""
        judged = {view: self.judged(clips, view, rows, step) for view, clips in views.items()}
        loss, accuracy = judged[CLIP]
        measured = {"clip_loss": loss.detach(), "training_accuracy": accuracy}
        return TaskLoss(sum(loss for loss, _ in judged.values()), (), measured)

    def scores(
        self, clips: Float[Tensor, "batch channels time height width"], view: str = CLIP
    ) -> Float[Tensor, "batch label"]:
        """Scores before softmax by the head of a view."""
        with torch.no_grad():
            last = list(self.encoder(clips).values())[-1]
        pool, linear = self.heads[view]
        return linear(self.dropout(pool(last)))


class MeanPool(nn.Module):
    """The mean over time, height and width, standardized over the batch.

    So a linear layer learns at one rate whatever the scale of features; as in the linear probes of
    MAE (arXiv 2111.06377, A.1), the batch norm has no weights.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels, affine=False)

    def forward(
        self, features: Float[Tensor, "batch channel time height width"]
    ) -> Float[Tensor, "batch channel"]:
        """One row a clip."""
        return self.norm(features.mean(dim=(2, 3, 4)))


class AttentivePool(nn.Module):
    """What one learned query attends to of all times and places, through a block of a transformer.

    Nothing names a time or a place to it but the features: the order of the places of a map changes
    nothing, as in the source, whose features hold their positions.
    Source: V-JEPA (arXiv 2404.08471), attentive probing. Ours is timm's `AttentionPoolLatent`,
    which projects what was attended to once more.
    """

    def __init__(self, channels: int, heads: int) -> None:
        """Raises InputError unless `heads` divide the channels."""
        super().__init__()
        if channels % heads:
            raise InputError(
                f"finetune.frozen.attention_heads: expected a divisor of {channels}, the channels "
                f"of the last level, got {heads}"
            )
        from timm.layers import AttentionPoolLatent  # late: takes seconds to import

        self.norm = nn.LayerNorm(channels)
        self.attend = AttentionPoolLatent(channels, num_heads=heads, norm_layer=nn.LayerNorm)

    def forward(
        self, features: Float[Tensor, "batch channel time height width"]
    ) -> Float[Tensor, "batch channel"]:
        """One row a clip."""
        return self.attend(self.norm(features.flatten(2).transpose(1, 2)))


def _pool(channels: int, settings: Frozen) -> nn.Module:
    """From a map of the last level to one row a clip."""
    if settings.head == "linear":
        return MeanPool(channels)
    return AttentivePool(channels, settings.attention_heads)
