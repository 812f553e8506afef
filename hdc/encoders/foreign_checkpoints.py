"""Checkpoints of others: reading their weights, and giving each the name it has here."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from hdc.encoders.naming import Naming
from hdc.runtime.errors import InputError

SHOWN = 5  # offending names in a message


def read_weights(path: str | Path, place: str = "") -> dict[str, Tensor]:
    """The state dict in a checkpoint, on the CPU; `place`: where in it, dotted.

    Nothing in the file is executed. Raises InputError if it cannot be read so, or holds none there.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected a checkpoint, found no file")
    content = _content(path)
    for key in filter(None, place.split(".")):
        if not isinstance(content, Mapping) or key not in content:
            present = _shown([*map(str, content)]) if isinstance(content, Mapping) else "no table"
            raise InputError(f"{path}: expected {key} of weights: {place}, found {present}")
        content = content[key]
    unusable = ["no table"]
    if isinstance(content, Mapping):
        unusable = [
            str(key)
            for key, value in content.items()
            if not isinstance(key, str) or not isinstance(value, Tensor)
        ]
    if unusable or not content:
        raise InputError(
            f"{path}: expected a state dict, tensors by name, found also "
            f"{_shown(unusable) or 'nothing'}; say where it lies by `weights` in the mapping"
        )
    return dict(content)


def _content(path: Path) -> Any:
    """What a checkpoint holds."""
    problem = "expected a checkpoint of torch or safetensors, found another or a damaged file"
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except Exception as error:  # arbitrary bytes raise arbitrary errors
            raise InputError(f"{path}: {problem}") from error
    try:
        with warnings.catch_warnings(action="ignore"):  # of sparse tensors, refused below if used
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        refused = re.search(r"GLOBAL (\S+)|TorchScript", str(error))
        if refused:
            problem = (
                f"expected tensors and plain values, found {refused[1] or 'TorchScript'}, which "
                "could do anything when loaded; load it where you trust it, and torch.save its "
                "state_dict() alone"
            )
        raise InputError(f"{path}: {problem}") from error


def named(
    weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], naming: Naming, *, where: str
) -> dict[str, Tensor]:
    """The weights of a checkpoint under the names, and of the types, of `expected`.

    Every one of `expected` is there once, in its shape and with numbers that can be weights, and
    every weight of the file is used or dropped, else InputError. Only counters of batch norm may be
    missing, and stay 0: files older than PyTorch 0.4.1 have none, and they change no output, for
    our momentum is fixed.
    """
    sources: dict[str, list[str]] = {}
    for key, name in naming.names(weights).items():
        sources.setdefault(name, []).append(key)
    missing = {name for name in expected if not name.endswith(".num_batches_tracked")} - {*sources}
    matched = {name: keys[0] for name, keys in sources.items() if name in expected}
    problems = {
        "lacks": [name for name in expected if name in missing],
        "has too much": [keys[0] for name, keys in sources.items() if name not in expected],
        "has twice": [f"{name} ({', '.join(k)})" for name, k in sources.items() if len(k) > 1],
        "has in another shape or type": [
            f"{key} {tuple(weights[key].shape)} for {tuple(expected[name].shape)}"
            for name, key in matched.items()
            if not _alike(weights[key], expected[name])
        ],
    }
    faults = [f"{what} {_shown(keys)}" for what, keys in problems.items() if keys]
    if faults:
        raise InputError(
            f"{where}: expected exactly the weights of the backbone; the file "
            f"{'; it '.join(faults)}; choose backbone and backbone.width, or mend rename and drop "
            "in the mapping"
        )
    counters = {name: tensor for name, tensor in expected.items() if name not in sources}
    taken = {name: _taken(weights[key], expected[name], name) for name, key in matched.items()}
    wrong = [f"{matched[name]} {value}" for name, value in taken.items() if isinstance(value, str)]
    if wrong:
        raise InputError(
            f"{where}: expected numbers that a network computes with; the file has "
            f"{_shown(wrong)}; save the checkpoint again where it was trained"
        )
    return counters | taken


def _taken(weight: Tensor, expected: Tensor, name: str) -> Tensor | str:
    """A weight in the type that is expected, or what is wrong with its numbers."""
    if weight.layout != torch.strided or weight.is_meta:
        return "that is sparse or has no numbers"
    taken = weight.to(expected)
    if not torch.isfinite(taken).all():
        beyond = torch.isfinite(weight.double()).all()
        return f"with numbers beyond {expected.dtype}" if beyond else "with NaN or infinity"
    if name.endswith(".running_var") and (taken < 0).any():
        return "with a variance below 0"
    return taken


def _alike(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have equal shapes and both, or neither, hold floating-point numbers."""
    return first.shape == second.shape and first.is_floating_point() == second.is_floating_point()


def _shown(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
