"""Settings that a study gives to all its runs, over the files of scale, backbone and protocol."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hdc.runtime.errors import InputError

NODES = ("clip", "objective", "augment", "pretrain", "finetune", "inference", "evaluate")
NODES += ("backbone", "progress")


Settings = Mapping[str, Any]  # by dotted key


def require_shareable(settings: Settings, compose: Callable[[Settings], Any]) -> None:
    """Refuse what a study cannot say of its runs, or values out of their limits.

    `compose` makes a run of some of them. Raises InputError that names the key.
    """
    for key in settings:
        node, _, name = key.partition(".")
        if node in ("data", "decoding", "store"):
            raise InputError(
                f"settings: {key}: expected nothing of {node}: prepared data are shared by all "
                "studies; other data are a data set of their own in config/data/"
            )
        if node not in NODES or not name:
            raise InputError(
                f"settings: expected <node>.<key> with a node of {', '.join(NODES)}, got {key}"
            )
    compose({})  # what is wrong in files is said of these
    for key, value in settings.items():
        try:
            compose({key: value})
        except InputError as error:
            problem = str(error).partition(f"{key}: ")[2] or str(error)
            raise InputError(f"settings: {key}: {problem}") from error


def as_words(settings: Settings, nodes: Sequence[str] = NODES) -> list[str]:
    """Settings of some nodes as `key=value`."""
    chosen = {key: value for key, value in settings.items() if key.partition(".")[0] in nodes}
    return [f"{key}={json.dumps(value)}" for key, value in sorted(chosen.items())]
