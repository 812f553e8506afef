"""Encoders: built with first weights of their own, written and read whole."""

import json
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from hdc.atomic import write_bytes
from hdc.errors import InputError
from hdc.random_draws import torch_seed


def build_encoder(backbone: dict[str, Any], *, seed: int) -> nn.Module:
    """A backbone with first weights that depend on `seed` alone.

    They are drawn apart from everything else, so two runs of one seed start from equal encoders.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "encoder"))
        return _build(backbone)


def _build(backbone: dict[str, Any]) -> nn.Module:
    """What `_target_` makes of the settings; bad ones are refused as the backbone refuses them."""
    try:
        return instantiate(backbone)
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def write_encoder(path: str | Path, encoder: nn.Module, facts: dict[str, Any]) -> None:
    """Write an encoder's weights, with `facts` about it as sorted JSON under the one key `hdc`.

    One key, because safetensors writes several in random order and equal runs give equal bytes.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in _state(encoder).items()}
    metadata = {"hdc": json.dumps(facts, sort_keys=True)}
    write_bytes(path, save(weights, metadata))


def read_encoder(path: str | Path, backbone: dict[str, Any]) -> nn.Module:
    """The encoder written to `path`, in evaluation mode.

    Raises InputError if the file is missing or its weights are not exactly those of `backbone`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected an encoder, found none; run hdc.pretrain first")
    # Weights from a hub would only be overwritten.
    encoder = _build(backbone | {"pretrained": False} if "pretrained" in backbone else backbone)
    with safe_open(path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    expected = {name: tuple(tensor.shape) for name, tensor in _state(encoder).items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != found:
        wrong = sorted(name for name, _ in expected.items() ^ found.items())
        raise InputError(
            f"{path}: expected the weights of {backbone['_target_']}, found other names or shapes: "
            f"{', '.join(wrong[:5])}{', ...' if len(wrong) > 5 else ''}"
        )
    encoder.load_state_dict(weights)
    return encoder.eval()


def encoder_facts(path: str | Path) -> dict[str, Any]:
    """What `write_encoder` wrote about an encoder."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["hdc"])


def multiply_adds(encoder: nn.Module, clip_shape: tuple[int, int, int]) -> int:
    """Multiply-adds of one forward pass of one clip of shape (frames, height, width)."""
    from torch.utils.flop_counter import FlopCounterMode

    device = next(encoder.parameters()).device
    training = encoder.training
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        encoder.eval()(torch.zeros(1, 3, *clip_shape, device=device))
    encoder.train(training)
    return counter.get_total_flops() // 2  # a multiply-add is two operations


def _state(encoder: nn.Module) -> dict[str, torch.Tensor]:
    return dict(sorted(encoder.state_dict().items()))
