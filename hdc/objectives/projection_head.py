"""From features of a level to embeddings that a loss compares, and on to predictions of them."""

import itertools

from jaxtyping import Float
from torch import Tensor, nn

from hdc.settings.objective import Head


class Perceptron(nn.Sequential):
    """Linear layers with ReLU between them, over the last axis, whatever axes come before."""

    def __init__(self, widths: list[int], *, batch_norm: bool) -> None:
        """`widths`: of the input, of every inner layer, of the output."""
        layers: list[nn.Module] = []
        for place, (wide, next_wide) in enumerate(itertools.pairwise(widths)):
            layers.append(nn.Linear(wide, next_wide))
            if place < len(widths) - 2:
                layers += [nn.BatchNorm1d(next_wide)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)
        self.batch_norm = batch_norm and len(widths) > 2

    def forward(self, x: Float[Tensor, "*batch _"]) -> Float[Tensor, "*batch _"]:
        """Batch norm sees the rows of all videos and time steps together."""
        if self.batch_norm and x.ndim > 2:
            return super().forward(x.flatten(0, -2)).unflatten(0, x.shape[:-1])
        return super().forward(x)


def projection_head(channels: int, head: Head) -> Perceptron:
    """From (..., channels) to (..., dim), as wide inside as its input.

    Source: SimCLR (arXiv 2002.05709), section 2.1; one for each level and subtask is our reading.
    """
    return Perceptron([channels] * head.layers + [head.dim], batch_norm=head.batch_norm)


def predictor(head: Head, width: int) -> Perceptron:
    """From embeddings (..., dim) to predictions of another view's (..., dim), `width` inside.

    Source: BYOL (arXiv 2006.07733), section 3.1; SimSiam (arXiv 2011.10566), section 3.
    """
    return Perceptron([head.dim, width, head.dim], batch_norm=head.batch_norm)
