"""A backbone for an input of fewer channels than red, green and blue."""

import torch
from torch import nn

from hdc.runtime.errors import InputError

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)


def take_channels(encoder: nn.Module, channels: int) -> None:
    """Let the first convolution of a new encoder take clips of so many channels, 3 or fewer.

    Its weights are those that were drawn for the first of the three, so encoders of one seed begin
    alike. Raises InputError if it is not one of three channels, or has fewer than are asked for.
    """
    if channels == 3:
        return
    first = next((part for part in encoder.modules() if isinstance(part, CONVOLUTIONS)), None)
    if first is None or first.in_channels != 3 or first.groups != 1 or channels > 3:
        found = "none" if first is None else f"one of {first.in_channels}"
        raise InputError(
            f"backbone: expected a first convolution of 3 channels to take {channels} of an input, "
            f"found {found}; choose another backbone for this input"
        )
    first.in_channels = channels
    with torch.no_grad():
        first.weight = nn.Parameter(first.weight[:, :channels].clone())
