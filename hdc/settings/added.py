"""Settings that came after runs had been made.

Where such a setting has the value it was added with, neither what Snakemake compares nor a record
holds it; a part that was a name before is held by that name. So what was made before is still what
it would be today.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, fields, is_dataclass
from typing import Any

from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf

_ADDED_WITH = "added with"
_NAMES = "names before"


def added(value: Any) -> Any:
    """A field for a setting that changes nothing at `value`, and that other files need not name."""
    return field(default_factory=lambda: copy.copy(value), metadata={_ADDED_WITH: value})


def once_named(names: Mapping[str, str]) -> Any:
    """A field for a part whose functions, those of `names`, were called by a name before."""
    return field(default=MISSING, metadata={_NAMES: names})


def without_added(node: Any) -> Any:
    """A node of a run as plain dicts, lists, numbers and texts, less what is as it was added."""
    if isinstance(node, DictConfig) and node._is_none():
        return None
    if isinstance(node, DictConfig):
        kind = OmegaConf.get_type(node)
        added_with = _noted(kind, _ADDED_WITH) if is_dataclass(kind) else {}
        names = _noted(kind, _NAMES) if is_dataclass(kind) else {}
        children = {
            name: _as_named(without_added(node[name]), names.get(name, {})) for name in node
        }
        return {
            name: value
            for name, value in children.items()
            if name not in added_with or value != added_with[name]
        }
    if isinstance(node, ListConfig):
        return OmegaConf.to_container(node, resolve=True)
    return node


def held(run: DictConfig, names: Sequence[str]) -> dict[str, Any]:
    """Some nodes of a run by name; one of which all is as it was added is not there."""
    nodes = {name: without_added(run[name]) for name in names}
    return {name: node for name, node in nodes.items() if node != {}}


def dict_without_added(settings: Any) -> dict[str, Any]:
    """The values of a dataclass by name, less what is as it was added."""
    added_with = _noted(type(settings), _ADDED_WITH)
    return {
        name: value
        for name, value in asdict(settings).items()
        if name not in added_with or value != added_with[name]
    }


def _as_named(value: Any, names: Mapping[str, str]) -> Any:
    """A part without settings by the name it once had, if it had one; anything else as it is."""
    alone = isinstance(value, dict) and [*value] == ["_target_"]
    return names.get(value["_target_"], value) if alone else value


def _noted(kind: type, what: str) -> dict[str, Any]:
    """What is noted of the settings of a class, by name."""
    return {entry.name: entry.metadata[what] for entry in fields(kind) if what in entry.metadata}
