"""The function that settings name by `_target_`, with the other keys as its arguments."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def named_function(part: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A function and its settings.

    That it is there and takes them was checked when the run was composed (`hdc.settings.parts`).
    """
    module, _, name = part["_target_"].rpartition(".")
    settings = {key: value for key, value in part.items() if key != "_target_"}
    return getattr(import_module(module), name), settings
