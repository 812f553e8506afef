"""The loss that a term names."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor

from hdc.runtime.named_function import named_function

Loss = Callable[..., Float[Tensor, ""]]


def built_loss(part: Mapping[str, Any]) -> tuple[Loss, list[str]]:
    """A loss with its settings, and the names of the embeddings that it compares."""
    function, settings = named_function(part)
    kinds = inspect.signature(function).parameters.values()
    given = [kind.name for kind in kinds if kind.kind is kind.POSITIONAL_OR_KEYWORD]
    return partial(function, **settings), given
