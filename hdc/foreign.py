"""Checkpoints of others: reading their weights, and giving each the name it has here."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hdc.config import CONF
from hdc.errors import InputError

SHOWN = 5  # offending names in a message


@dataclass(frozen=True)
class Naming:
    """Where a checkpoint keeps its weights, what they are called, and which input they expect."""

    weights: str = ""  # dotted place of the state dict in the checkpoint; empty: it is one
    rename: dict[str, str] = field(default_factory=dict)  # pattern -> replacement; first match wins
    drop: list[str] = field(default_factory=list)  # patterns of what is not needed
    mean: list[float] | None = None  # of red, green and blue in 0 to 1; None: input as ours
    std: list[float] | None = None


def mapping_names() -> list[str]:
    """The mappings that come with the package."""
    return sorted(path.stem for path in (CONF / "mapping").glob("*.yaml"))


def read_naming(name: str) -> Naming:
    """The mapping of that name or in that YAML file; empty: names and input are ours.

    Raises InputError if there is none, or one that cannot be followed.
    """
    if not name:
        return Naming()
    path = CONF / "mapping" / f"{name}.yaml" if name in mapping_names() else Path(name)
    if not path.is_file():
        raise InputError(
            f"mapping: expected {', '.join(mapping_names())}, a YAML file or nothing, got {name}"
        )
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{path}: expected YAML, found: {' '.join(str(error).split())}") from error
    known = [one.name for one in fields(Naming)]
    unknown = [content]
    if isinstance(content, dict):
        unknown = [key for key in content if key not in known]
    if unknown:
        raise InputError(f"{path}: expected some of {', '.join(known)}, found {unknown[0]}")
    content = asdict(Naming()) | content
    _check(content, path)
    numbers = {
        key: [float(value) for value in content[key]]
        for key in ("mean", "std")
        if content[key] is not None
    }
    return Naming(**content | numbers)


def _check(content: dict[str, Any], path: Path) -> None:
    """Refuse values of a mapping that are not what they should be."""
    weights, rename, drop = content["weights"], content["rename"], content["drop"]
    if not isinstance(weights, str):
        raise InputError(f"{path}: weights: expected a dotted place, found {weights}")
    if not isinstance(rename, dict) or not isinstance(drop, list):
        raise InputError(f"{path}: expected a table under rename and a list under drop")
    for pattern, text in [*rename.items(), *((pattern, "") for pattern in drop)]:
        try:
            re.compile(pattern).sub("" + text, "")
        except (re.error, TypeError) as error:
            raise InputError(
                f"{path}: expected a regular expression, found {pattern}: {error}"
            ) from error
    if (content["mean"] is None) != (content["std"] is None):
        raise InputError(f"{path}: expected mean and std together, found one of them")
    for key, least in (("mean", -math.inf), ("std", 0.0)):
        values = content[key]
        if values is not None and not _are_three(values, least):
            raise InputError(f"{path}: {key}: expected 3 numbers of RGB in 0 to 1, found {values}")


def _are_three(values: Any, least: float) -> bool:
    """Whether these are three numbers above `least`."""
    numbers = values if isinstance(values, list) else []
    return len(numbers) == 3 and all(
        type(value) in (int, float) and least < value < math.inf for value in numbers
    )


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
            found = _shown([*map(str, content)]) if isinstance(content, Mapping) else "no table"
            raise InputError(f"{path}: expected {key} of weights: {place}, found {found}")
        content = content[key]
    others = ["no table"]
    if isinstance(content, Mapping):
        others = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if others or not content:
        raise InputError(
            f"{path}: expected a state dict, tensors by name, found also "
            f"{_shown(others) or 'nothing'}; say where it lies by `weights` in the mapping"
        )
    return dict(content)


def _content(path: Path) -> Any:
    """What a checkpoint holds."""
    problem = "expected a checkpoint of torch or safetensors, found another or a damaged file"
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise InputError(f"{path}: {problem}") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # foreign bytes raise anything
        other = re.search(r"GLOBAL (\S+)|TorchScript", str(error))
        if other:
            problem = (
                f"expected tensors and plain values, found {other[1] or 'TorchScript'}, which "
                "could do anything when loaded; load it where you trust it, and torch.save its "
                "state_dict() alone"
            )
        raise InputError(f"{path}: {problem}") from error


def named(
    weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], naming: Naming, *, where: str
) -> dict[str, Tensor]:
    """The weights of a checkpoint under the names, and of the types, of `expected`.

    Every one of `expected` is there once and in its shape, and every weight of the file is used or
    dropped, else InputError. Only counters of batch norm may be missing, and stay 0: files older
    than PyTorch 0.4.1 have none, and they change no output, for our momentum is fixed.
    """
    sources: dict[str, list[str]] = {}
    for key in weights:
        if not any(re.search(pattern, key) for pattern in naming.drop):
            sources.setdefault(_renamed(key, naming.rename), []).append(key)
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
    found = [f"{what} {_shown(keys)}" for what, keys in problems.items() if keys]
    if found:
        raise InputError(
            f"{where}: expected exactly the weights of the backbone; the file {'; it '.join(found)}"
            "; choose backbone and backbone.width, or mend rename and drop in the mapping"
        )
    counters = {name: tensor for name, tensor in expected.items() if name not in sources}
    return counters | {name: weights[key].to(expected[name]) for name, key in matched.items()}


def _renamed(key: str, rename: Mapping[str, str]) -> str:
    for pattern, text in rename.items():
        if re.search(pattern, key):
            return re.sub(pattern, text, key)
    return key


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether shapes are equal, and both or none are floating-point numbers, of whatever size."""
    return one.shape == other.shape and one.is_floating_point() == other.is_floating_point()


def _shown(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
