"""The loss that a term names."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from jaxtyping import Float
from torch import Tensor

Loss = Callable[..., Float[Tensor, ""]]


def built_loss(part: Mapping[str, Any]) -> tuple[Loss, list[str]]:
    """A loss with its settings, and the names of the embeddings that it compares.

    That there is such a function, and that it takes them, was checked when the run was composed.
    """
    module, _, name = part["_target_"].rpartition(".")
    function = getattr(import_module(module), name)
    kinds = inspect.signature(function).parameters.values()
    given = [kind.name for kind in kinds if kind.kind is kind.POSITIONAL_OR_KEYWORD]
    settings = {key: value for key, value in part.items() if key != "_target_"}
    return partial(function, **settings), given
