"""A term that tells how a view was made: a pretext task that is no contrast."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from hdc.objectives.pretext_task import Found


class Told:
    """Which variant each clip is, by one linear layer on the features of a level."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names`: of the views that vary."""
        self.names = list(names)
        self.queued = False

    def views(self, teacher: bool) -> set[str]:
        """The names of the views that are told, by the student alone."""
        return set() if teacher else set(self.names)

    def loss(self, mine: Mapping[tuple[str, str], Tensor]) -> tuple[Found, Float[Tensor, ""]]:
        """Cross-entropy in nats, mean over clips of all its views; and the share that is right."""
        scores = torch.cat([mine[name, "embedded"] for name in self.names]).float()
        targets = torch.cat([mine[name, "variant"] for name in self.names]).flatten().long()
        right = (scores.argmax(dim=1) == targets).float().mean()
        return Found(F.cross_entropy(scores, targets)), right
