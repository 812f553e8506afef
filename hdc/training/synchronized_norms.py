"""Batch norms whose statistics are those of all processes."""

from torch import nn


def with_synchronized_norms(network: nn.Module) -> nn.Module:
    """The same network, its batch norms synchronized, activations that they contain kept.

    torch's own conversion turns timm's norms with an activation inside into plain ones, and the
    activation is gone without a word.
    """
    from timm.layers import convert_sync_batchnorm  # late: only several GPUs need it

    return convert_sync_batchnorm(network)
