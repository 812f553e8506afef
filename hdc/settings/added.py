"""Settings that came after runs had been made.

Where such a setting has the value it was added with, neither what Snakemake compares nor a record
holds it: so what was made before is still what it would be today.
"""

import copy
from dataclasses import asdict, field, fields, is_dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

_ADDED_WITH = "added with"


def added(value: Any) -> Any:
    """A field for a setting that changes nothing at `value`, and that other files need not name."""
    return field(default_factory=lambda: copy.copy(value), metadata={_ADDED_WITH: value})


def without_added(node: Any) -> Any:
    """A node of a run as plain dicts, lists, numbers and texts, less what is as it was added."""
    if isinstance(node, DictConfig) and node._is_none():
        return None
    if isinstance(node, DictConfig):
        kind = OmegaConf.get_type(node)
        added_with = _added_with(kind) if is_dataclass(kind) else {}
        children = {name: without_added(node[name]) for name in node}
        return {
            name: value
            for name, value in children.items()
            if name not in added_with or value != added_with[name]
        }
    if isinstance(node, ListConfig):
        return OmegaConf.to_container(node, resolve=True)
    return node


def dict_without_added(settings: Any) -> dict[str, Any]:
    """The values of a dataclass by name, less what is as it was added."""
    added_with = _added_with(type(settings))
    return {
        name: value
        for name, value in asdict(settings).items()
        if name not in added_with or value != added_with[name]
    }


def _added_with(kind: type) -> dict[str, Any]:
    """The values at which the settings of a class were added, by name."""
    return {
        entry.name: entry.metadata[_ADDED_WITH]
        for entry in fields(kind)
        if _ADDED_WITH in entry.metadata
    }
