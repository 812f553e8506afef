"""What a network sees of a clip: its frames, or how they differ."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def seen_as(
    kind: str, clips: Float[Tensor, "batch 3 time height width"]
) -> Float[Tensor, "batch 3 time height width"]:
    """Normalized clips as an input of this kind: `rgb` or `difference`."""
    return clips if kind == "rgb" else difference(clips)


def difference(
    clips: Float[Tensor, "batch 3 time height width"],
) -> Float[Tensor, "batch 3 time height width"]:
    """Each frame less the one before; the first, which has none, as the second.

    A clip of one frame, or of one frame repeated, is 0 everywhere.
    """
    changes = clips.diff(dim=2)
    if changes.shape[2] == 0:
        return torch.zeros_like(clips)
    return torch.cat([changes[:, :, :1], changes], dim=2)


def sees(encoder: nn.Module, kind: str) -> None:
    """Let an encoder that was trained on an input take normalized frames, wherever it runs."""
    if kind != "rgb":
        encoder.register_forward_pre_hook(lambda _, given: (seen_as(kind, given[0]), *given[1:]))
