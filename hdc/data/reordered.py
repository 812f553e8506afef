"""Stored clips with their frames in another order, or some of them repeated."""

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from hdc.data.flow_bytes import earlier, flow_shown


def reordered(
    clips: UInt8[Tensor, "clip time height width channel"],
    order: Int64[Tensor, "clip shown"],
) -> UInt8[Tensor, "clip shown height width channel"]:
    """The frames of each clip by number, in its own order.

    Clips of two channels are optical flow, which is that of the frames as they are shown then.
    """
    order = order.to(clips.device)
    places = torch.arange(len(clips), device=clips.device)[:, None]
    if clips.shape[-1] == 2:
        return flow_shown(clips[places, earlier(order)], order)
    return clips[places, order]
