"""Whether a step was finite; if not, which tensor was the first that was not, and what to do.

The second is asked only after a step has failed, and then the step is computed again, with hooks.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hdc.objectives.pretext_task import TermLoss

Again = Callable[[nn.Module], Tensor]  # computes the loss of a step anew by the model it is given


@dataclass(frozen=True)
class Unchecked:
    """A step that was computed, and whose numbers were not looked at yet."""

    step: int
    rate: float
    shown: dict[str, Tensor]  # what the log is told, by column
    terms: Sequence[TermLoss]
    gradients_finite: Tensor
    again: Again | None

    def is_finite(self) -> bool:
        """Whether its loss and all its gradients are; waits for the device."""
        return bool(torch.isfinite(self.shown["loss"]) & self.gradients_finite)

    def words(self) -> str:
        """What was expected and what was found."""
        value = "a gradient that is not"
        if not _finite(self.shown["loss"]):
            value = self.shown["loss"].item()
        wrong = [
            f"{term.subtask} at level {term.level}"
            for term in self.terms
            if not _finite(self.shown[term.name])
        ]
        terms = f"; terms that are not finite: {', '.join(wrong)}" if wrong else ""
        return (
            f"expected a finite loss and finite gradients, got {value} at step {self.step} with "
            f"learning rate {self.rate:g}{terms}"
        )


def gradients_finite(model: nn.Module) -> Tensor:
    """Whether every gradient is finite, as one tensor on the device, so that nothing waits."""
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    # The greatest number, not the sum of squares: that of finite numbers may be infinite.
    return torch.nn.utils.get_total_norm(gradients, norm_type=torch.inf).isfinite()


def explain(
    model: nn.Module, again: Again, *, precision: str, inside: AbstractContextManager, step: int
) -> str:
    """The first tensor that is not finite, and advice, for the end of a message.

    `inside` is the context of `precision`; `step` counts the steps done before. The weights of
    `model` are those that the step began with; its gradients are overwritten.
    """
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if not _finite(tensor):
            return f"the first was {name}, before the step; {_of_the_rate(step)}"
    with inside:
        first, kind = first_nonfinite(model, again)
    if first is None:
        return (
            "computed again, the step is finite, so this device does not compute the same twice; "
            "run hdc doctor, and set precision to 32-true if it is not"
        )
    finding = f"the first was {first}"
    if kind == "input":
        return f"{finding}; look at the videos, the learning rate has no part in it"
    if precision != "32-true":
        with torch.autocast(next(model.parameters()).device.type, enabled=False):
            exact, _ = first_nonfinite(model, again)
        if exact is None:
            return (
                f"{finding}; in float32 the same step is finite, so {precision} is the cause: set "
                "precision to 32-true"
            )
    return f"{finding}; {_of_the_rate(step)}"


def _of_the_rate(step: int) -> str:
    if step:
        return "lower the learning rate"
    return (
        "no step was made before, so the learning rate is not the cause: look at the first weights"
    )


def first_nonfinite(model: nn.Module, again: Again) -> tuple[str | None, str]:
    """The first tensor of a step, forward and then backward, that is not finite, in words.

    And its kind: input, forward or backward. None: all are finite.
    """
    watch = _Watch()
    handles = [model.register_forward_pre_hook(watch.taken)]
    for name, module in model.named_modules():
        handles.append(module.register_forward_hook(partial(watch.given, name or "the model")))
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            words = f"the gradient of {name}"
            handles.append(weight.register_hook(partial(watch.see, "backward", words)))
    model.zero_grad()
    try:
        loss = again(model)
        watch.see("forward", "the loss", loss)
        if loss.requires_grad and watch.first is None:
            loss.backward()
    finally:
        for handle in handles:
            handle.remove()
    return watch.first, watch.kind


class _Watch:
    """Remembers the first tensor that is not finite."""

    def __init__(self) -> None:
        self.first: str | None = None
        self.kind = ""

    def see(self, kind: str, words: str, tensor: Tensor) -> None:
        if self.first is None and not _finite(tensor):
            self.first, self.kind = words, kind

    def taken(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        for tensor in _tensors(inputs):
            self.see("input", "what the model was given", tensor)

    def given(self, name: str, module: nn.Module, _: Any, output: Any) -> None:
        words = f"the output of {name} ({type(module).__name__})"
        for tensor in _tensors(output):
            self.see("forward", words, tensor)
            if tensor.requires_grad:
                tensor.register_hook(partial(self.see, "backward", f"the gradient of {words}"))


def _tensors(value: Any) -> list[Tensor]:
    """The tensors in what a module takes or gives."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return (
        [tensor for part in value for tensor in _tensors(part)]
        if isinstance(value, tuple | list)
        else []
    )


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
