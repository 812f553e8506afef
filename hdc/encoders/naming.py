"""Mapping files: what the weights of others are called, and which input they expect."""

import math
import reprlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from hdc.runtime.errors import InputError
from hdc.runtime.patterns import compiled, ending
from hdc.settings.files import CONF

_RANGES = {"mean": (0.0, 1.0), "std": (0.003, 1.0)}  # 1 / 255 is one step of 8 bits


@dataclass(frozen=True)
class Naming:
    """Where a checkpoint keeps its weights, what they are called, and which input they expect."""

    weights: str = ""  # dotted place of the state dict in the checkpoint; empty: it is one
    rename: dict[str, str] = field(default_factory=dict)  # pattern -> replacement; first match wins
    drop: list[str] = field(default_factory=list)  # patterns of names that are not needed
    mean: list[float] | None = None  # of red, green and blue in 0 to 1; None: input as ours
    std: list[float] | None = None

    def names(self, keys: Iterable[str]) -> dict[str, str]:
        """The keys that are not dropped, in their order, each with the name that it gets.

        Raises InputError if a pattern takes too long.
        """
        names = {key: key for key in keys}
        for pattern in self.drop:
            with ending(pattern, "mapping: drop"):
                expression = compiled(pattern)
                names = {key: key for key in names if not expression.search(key)}
        left = list(names)
        for pattern, text in self.rename.items():
            with ending(pattern, "mapping: rename"):
                expression = compiled(pattern)
                names |= {key: expression.sub(text, key) for key in left if expression.search(key)}
                left = [key for key in left if not expression.search(key)]
        return names


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key that stands twice: the first would be lost silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1 and key != "<<":
                raise yaml.YAMLError(f"the key {key} twice; keep one of them")
        return super().construct_mapping(node, deep)


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
    content = _content(path)
    known = [entry.name for entry in fields(Naming)]
    unknown = [content]
    if isinstance(content, dict):
        unknown = [key for key in content if key not in known]
    if unknown:
        wrong = _shown(unknown[0])
        raise InputError(f"{path}: expected some of {', '.join(known)}, found {wrong}")
    content = asdict(Naming()) | content
    try:
        _check(content)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    numbers = {
        key: [float(value) for value in content[key]] for key in _RANGES if content[key] is not None
    }
    return Naming(**content | numbers)


def _content(path: Path) -> Any:
    """The content of a YAML file; raises InputError for any other file."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader) or {}
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected text in UTF-8, found other bytes: {error}") from error
    except RecursionError as error:
        raise InputError(f"{path}: expected a flat table, found one nested too deep") from error
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: an impossible date
        raise InputError(f"{path}: expected YAML, found: {' '.join(str(error).split())}") from error


def _check(content: dict[str, Any]) -> None:
    """Raise ValueError for values of a mapping that are not what they should be."""
    weights, rename, drop = content["weights"], content["rename"], content["drop"]
    if not isinstance(weights, str):
        raise ValueError(f"weights: expected a dotted place, found {_shown(weights)}")
    if not isinstance(rename, dict) or not isinstance(drop, list):
        raise ValueError("expected a table under rename and a list under drop")
    for key, pairs in (("rename", rename.items()), ("drop", ((pattern, "") for pattern in drop))):
        for pattern, text in pairs:
            try:
                compiled(pattern, text)
            except ValueError as error:
                wrong = f"{_shown(pattern)}: {_shown(text)}" if text else _shown(pattern)
                raise ValueError(
                    f"{key}: expected a regular expression, found {wrong}: {error}"
                ) from error
    if (content["mean"] is None) != (content["std"] is None):
        raise ValueError("expected mean and std together, found one of them")
    for key, limits in _RANGES.items():
        if content[key] is not None:
            _check_colours(key, content[key], *limits)


def _check_colours(key: str, values: Any, least: float, greatest: float) -> None:
    """Raise ValueError unless these are three numbers from `least` to `greatest`."""
    numbers = values if isinstance(values, list) else []
    if len(numbers) != 3 or not all(
        type(value) in (int, float) and least <= value <= greatest for value in numbers
    ):
        large = all(type(value) in (int, float) and 1 < value < math.inf for value in numbers)
        advice = "; divide mean and std of 0 to 255 by 255" if numbers and large else ""
        raise ValueError(
            f"{key}: expected 3 numbers of RGB, black 0 and white 1, from {least:g} to "
            f"{greatest:g}, found {_shown(values)}{advice}"
        )


def _shown(value: Any) -> str:
    """A value of a file, shortened."""
    if isinstance(value, str) and len(value) < 80:
        return value
    shortening = reprlib.Repr()
    shortening.maxlevel = 2
    return shortening.repr(value)
