"""What a network sees of a clip: its frames, how they differ, or how they move."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hdc.runtime.errors import InputError
from hdc.runtime.input_names import DIFFERENCE, FLOW, NAMED, RGB

Clips = Float[Tensor, "batch _ time height width"]


@dataclass(frozen=True)
class Input:
    """What a network takes: clips as they are read, or made of them."""

    channels: int = 3
    seen: Callable[[Clips], Clips] | None = None  # what it makes of clips; None: as they are


def differences(
    clips: Float[Tensor, "batch 3 time height width"],
) -> Float[Tensor, "batch 3 time height width"]:
    """Each frame less the one before; the first, which has none, as the second.

    A clip of one frame, or of one frame repeated, is 0 everywhere.
    """
    changes = clips.diff(dim=2)
    if changes.shape[2] == 0:
        return torch.zeros_like(clips)
    return torch.cat([changes[:, :, :1], changes], dim=2)


rgb = Input()
difference = Input(seen=differences)
flow = Input(channels=2)


def input_named(name: str) -> Input:
    """One of NAMED, or the object of that dotted name, which has to be an `Input`.

    Nothing is called, because the name may come out of a file that anybody wrote. Raises
    InputError.
    """
    if name in NAMED:
        return {RGB: rgb, DIFFERENCE: difference, FLOW: flow}[name]
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        found = None
    if not isinstance(found, Input):
        raise InputError(
            f"input: expected one of {', '.join(NAMED)} or the dotted name of an "
            f"hdc.data.inputs.Input, found {name}; its file has to lie where it is run"
        )
    return found


def seen_as(name: str, clips: Clips) -> Clips:
    """Normalized clips as an input of that name."""
    seen = input_named(name).seen
    return clips if seen is None else seen(clips)


def sees(encoder: nn.Module, name: str) -> None:
    """Let an encoder that was trained on an input take normalized clips, wherever it runs."""
    if input_named(name).seen is not None:
        encoder.register_forward_pre_hook(lambda _, given: (seen_as(name, given[0]), *given[1:]))
