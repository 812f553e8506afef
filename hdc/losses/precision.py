"""In which precision losses are computed."""

import torch
from torch import Tensor


def widened(rows: Tensor) -> Tensor:
    """`rows` in single precision if they come in half, else as they are.

    Half precision would round similarities to a few hundred values. Under autocast this is not
    enough: products of the result would be taken in half precision again, so switch that off too.
    """
    return rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows
