"""An encoder's network as a file that plain torch runs, whatever backbone it is of.

The file is a program of `torch.export`: what the network computes of clips of one size, in any
number, with the names of its weights and without the weights.
"""

import io
import warnings

import torch
from torch import nn

from hdc.runtime.errors import InputError


def network_bytes(encoder: nn.Module, shape: tuple[int, int, int, int]) -> bytes:
    """What `torch.export.load` reads, of an encoder in evaluation mode on the processor.

    `shape`: channel, time, height and width of the clips that it takes. Its weights are to be put
    in by `load_state_dict(..., assign=True)`. Raises InputError if torch cannot put the network
    into a program, or if that computes anything else than the encoder.
    """
    clips = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    batch = torch.export.Dim("batch", min=1)
    try:
        with torch.no_grad():
            program = torch.export.export(encoder, (clips,), dynamic_shapes=({0: batch},))
    except Exception as error:  # torch has many kinds, for what a network of one's own may do
        words = " ".join(str(error).split())[:200]
        raise InputError(
            f"expected a network that torch.export can put into a file, found one that it cannot: "
            f"{type(error).__name__}: {words}"
        ) from error
    _require_same(program.module(), encoder, clips)
    for name, weight in program.state_dict.items():
        empty = torch.zeros((), dtype=weight.dtype).expand(weight.shape)  # one number on the disk
        is_parameter = isinstance(weight, nn.Parameter)
        program.state_dict[name] = (
            nn.Parameter(empty, requires_grad=False) if is_parameter else empty
        )
    file = io.BytesIO()
    with warnings.catch_warnings():  # that no weight is stored in full, which is meant
        warnings.filterwarnings("ignore", message="No complete tensor found", category=UserWarning)
        torch.export.save(program, file)
    return file.getvalue()


def _require_same(network: nn.Module, encoder: nn.Module, clips: torch.Tensor) -> None:
    """Refuse a program with other numbers, such as of a network that draws or counts."""
    some = torch.cat([clips, clips.flip(0), clips[:1]])  # another number than it was made with
    with torch.no_grad():
        features, expected = network(some), encoder(some)
    for level, maps in expected.items():
        if not torch.allclose(features[level], maps, rtol=1e-4, atol=1e-5):
            raise InputError(
                f"expected a file of the network that computes what the network does, found other "
                f"numbers in {level}"
            )
