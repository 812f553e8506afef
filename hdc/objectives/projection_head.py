"""From features of a level to embeddings that a loss compares."""

import torch.nn as nn


def projection_head(channels: int, dim: int) -> nn.Sequential:
    """Two-layer perceptron from (..., channels) to (..., dim), as wide inside as its input.

    Source: SimCLR (arXiv 2002.05709), section 2.1; one for each level and subtask is our reading.
    """
    return nn.Sequential(
        nn.Linear(channels, channels), nn.ReLU(inplace=True), nn.Linear(channels, dim)
    )
