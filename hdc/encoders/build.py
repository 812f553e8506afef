"""Encoders: built with first weights of their own, written and read whole."""

import importlib.util
import inspect
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hdc.data.inputs import input_named, sees
from hdc.data.normalization import MEAN, STANDARD_DEVIATION
from hdc.encoders.file import encoder_facts, seen_by
from hdc.encoders.input_channels import take_channels
from hdc.runtime.errors import InputError
from hdc.runtime.seeding import torch_seed
from hdc.runtime.tensor_files import write_tensors

_TARGET = re.compile(r"(hdc\.backbones\.[a-z]\w*)\.([a-z]\w*)")


def build_encoder(backbone: dict[str, Any], *, seed: int, sees: str = "rgb") -> nn.Module:
    """A backbone with first weights that depend on `seed` alone, for an input of that name.

    They are drawn apart from everything else, so two runs of one seed start from equal encoders.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "encoder"))
        encoder = _build(backbone)
    take_channels(encoder, input_named(sees).channels)
    return encoder


def build_to_fill(backbone: dict[str, Any], *, sees: str = "rgb") -> nn.Module:
    """A backbone whose weights are about to be overwritten, so none are fetched from a hub."""
    encoder = _build(backbone | {"pretrained": False} if "pretrained" in backbone else backbone)
    take_channels(encoder, input_named(sees).channels)
    return encoder


def _build(backbone: dict[str, Any]) -> nn.Module:
    """What the function named in `_target_` makes of the other settings.

    Raises InputError for settings that it does not take; bad values are refused by the backbone.
    """
    function = _backbone(backbone.get("_target_"))
    settings = {name: value for name, value in backbone.items() if name != "_target_"}
    try:
        inspect.signature(function).bind(**settings)
    except TypeError as error:
        raise InputError(
            f"backbone: expected the arguments of {backbone['_target_']}, found others: {error}"
        ) from error
    return function(**settings)


def _backbone(target: Any) -> Callable[..., nn.Module]:
    """A function of `hdc.backbones`, by its dotted name.

    Nothing else can be called, because the name may come out of a file that anybody wrote.
    """
    parts = _TARGET.fullmatch(target) if isinstance(target, str) else None
    function = None
    if parts and importlib.util.find_spec(parts[1]):
        function = getattr(importlib.import_module(parts[1]), parts[2], None)
    if not inspect.isfunction(function) or function.__module__ != parts[1]:
        raise InputError(
            f"backbone._target_: expected a function of a module in hdc.backbones, got {target}"
        )
    return function


def write_encoder(path: str | Path, encoder: nn.Module, facts: dict[str, Any]) -> None:
    """Write an encoder's weights with `facts` about it.

    Raises InputError if a weight is not finite.
    """
    _require_finite(path, encoder, "the last step broke the network: lower pretrain.learning_rate")
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in _state(encoder).items()}
    write_tensors(path, partial(save, weights), facts)


def read_encoder(path: str | Path, backbone: dict[str, Any]) -> nn.Module:
    """The encoder written to `path`, in evaluation mode, for input normalized our way.

    Raises InputError if the file is missing or damaged, if its weights are not exactly those of
    `backbone`, or if one of them is not finite.
    """
    facts = encoder_facts(path)
    encoder = build_to_fill(backbone, sees=seen_by(facts))
    with safe_open(path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    expected = {name: tuple(tensor.shape) for name, tensor in _state(encoder).items()}
    stored = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != stored:
        wrong = sorted(name for name, _ in expected.items() ^ stored.items())
        raise InputError(
            f"{path}: expected the weights of {backbone['_target_']}, found other names or shapes: "
            f"{', '.join(wrong[:5])}{', ...' if len(wrong) > 5 else ''}"
        )
    encoder.load_state_dict(weights)
    _require_finite(path, encoder, "pretrain or import it again")
    if "input" in facts:
        renormalize(encoder, **facts["input"])
    sees(encoder, seen_by(facts))
    return encoder.eval()


def _require_finite(path: str | Path, encoder: nn.Module, advice: str) -> None:
    """Refuse NaN and infinity in an encoder, by the name of the first tensor that has them."""
    for name, tensor in _state(encoder).items():
        if not tensor.isfinite().all():
            count = int((~tensor.isfinite()).sum())
            raise InputError(
                f"{path}: expected finite weights, found NaN or infinity in {name} "
                f"({count:,} of {tensor.numel():,} numbers); {advice}"
            )


def renormalize(encoder: nn.Module, *, mean: Sequence[float], std: Sequence[float]) -> None:
    """Let an encoder take input normalized our way that was trained on another normalization.

    `mean` and `std`: of red, green and blue in 0 to 1, as the encoder was trained with. The weights
    and their names stay as they are.
    """
    means, deviations = (
        torch.tensor(values, dtype=torch.float64).view(3, 1, 1, 1) for values in (mean, std)
    )
    scale, shift = STANDARD_DEVIATION / deviations, (MEAN - means) / deviations
    # Buffers follow the encoder to its device; not persistent ones are no part of its weights.
    encoder.register_buffer("input_scale", scale.float(), persistent=False)
    encoder.register_buffer("input_shift", shift.float(), persistent=False)
    encoder.register_forward_pre_hook(_renormalized)


def _renormalized(encoder: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Clips from our normalization to the encoder's; a plain function, so that copies work."""
    return (inputs[0] * encoder.input_scale + encoder.input_shift,)


def multiply_adds(
    encoder: nn.Module, clip_shape: tuple[int, int, int], *, channels: int = 3
) -> int:
    """Multiply-adds of one forward pass of one clip of shape (frames, height, width)."""
    from torch.utils.flop_counter import FlopCounterMode

    device = next(encoder.parameters()).device
    training = encoder.training
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        encoder.eval()(torch.zeros(1, channels, *clip_shape, device=device))
    encoder.train(training)
    return counter.get_total_flops() // 2  # a multiply-add is two operations


def _state(encoder: nn.Module) -> dict[str, torch.Tensor]:
    return dict(sorted(encoder.state_dict().items()))
