"""Whether the layers of a network compute what they should, on a device and in a precision.

bf16 has been wrong without a word: with torch 2.15 on processors that have avx512_bf16 the weight
gradient of a `Conv3d` reads unwritten memory wherever the map has 2 time steps, and is NaN
or, as often, finite and wrong. Other shapes are sound, so only a network's own shapes can tell.
"""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from hdc.objectives.pretext_task import PretextTask
from hdc.runtime.conv3d_check import TOLERANCE
from hdc.runtime.errors import InputError
from hdc.runtime.fabric import laid_out, precision_name
from hdc.runtime.input_names import tracks_of
from hdc.runtime.record import processor
from hdc.settings.objective import View

EXACT = "32-true"  # on a processor; on GPUs it is TF32 where they have it
TRIES = 5  # of each layer; of hundreds of tries of a broken layer none was right


@dataclass(frozen=True)
class LayersCheck:
    """The layers of a network against float64, each alone, forward and backward."""

    layers: int  # that differ in kind or in shape of what they take
    error: float  # relative, the greatest of all that are sound
    problem: str | None  # the first layer that is not, and what is wrong with it


def require_sound(
    task: PretextTask, clips: Sequence[int], rows: Sequence[int], *, fabric: Fabric, key: str
) -> None:
    """Refuse to train on a processor in reduced precision unless `check_layers` finds it right.

    `clips`: the shape of each view, of the videos in `rows`. `key`: the setting that asks for the
    precision. Raises InputError.
    """
    precision = precision_name(fabric)
    if fabric.device.type != "cpu" or precision == EXACT:
        return
    names = list(task.views)

    def call(network: nn.Module, together: Tensor) -> None:
        parts = zip(names, together.chunk(len(names)), strict=True)
        network({name: part[:, : channels(task.views[name])] for name, part in parts}, rows, 0)

    together = (len(names) * clips[0], *clips[1:])
    check = check_layers(task, together, device=fabric.device, precision=precision, call=call)
    if check.problem:
        raise InputError(
            f"{key}: expected {precision} to be right on this processor, {processor()}, found "
            f"{check.problem}; set it to {EXACT}"
        )
    print(f"{precision}: {agreement(check)}", flush=True)


def channels(view: View) -> int:
    """Of the clips that a view is made of."""
    return 2 if tracks_of([view.input]) else 3


def agreement(check: LayersCheck) -> str:
    """The words for a check that found nothing."""
    return f"{check.layers} layers agree with float64, the worst to {check.error:.2%}"


def check_layers(
    network: nn.Module,
    clips: Sequence[int],
    *,
    device: torch.device,
    precision: str,
    call: Callable[[nn.Module, Tensor], Any] = nn.Module.__call__,
) -> LayersCheck:
    """Compute every layer that has weights or pools several times, and once in float64.

    The network, a copy on `device`, sees random clips of the shape `clips` (batch, 3, time, height,
    width), handed over by `call` as in training; what reaches a layer there is what it is tried
    with, with random gradients. Before each try memory is filled with NaN and freed, so that a read
    of unwritten memory shows. RuntimeError if memory does not suffice.
    """
    network = laid_out(copy.deepcopy(network).to(device).train(), device)
    replay = _Replay(precision != EXACT)
    for name, layer in network.named_modules():
        if not [*layer.children()] and ([*layer.parameters()] or "Pool" in type(layer).__name__):
            layer.register_forward_hook(
                lambda module, taken, _, name=name: replay(name, module, *taken)
            )
    random = torch.Generator(device).manual_seed(0)
    with torch.no_grad(), replay.precision(device):
        call(network, torch.randn(*clips, device=device, generator=random))
    return LayersCheck(len(replay.seen), replay.error, next(iter(replay.problems), None))


class _Replay:
    """Computes again each layer that is called, and keeps what was wrong."""

    def __init__(self, reduced: bool) -> None:
        self.reduced = reduced
        self.seen: set[tuple] = set()
        self.problems: list[str] = []
        self.error = 0.0

    def precision(self, device: torch.device) -> torch.autocast:
        """The precision of training, without a cache: weights are cast anew in each try."""
        return torch.autocast(
            device.type, torch.bfloat16, enabled=self.reduced, cache_enabled=False
        )

    def __call__(self, name: str, layer: nn.Module, taken: Tensor) -> None:
        """One layer with what it takes; a second one of the same kind and shapes is passed over."""
        kind = (str(layer), taken.shape, taken.stride(), taken.dtype)
        if kind in self.seen:
            return
        self.seen.add(kind)
        with torch.autocast(taken.device.type, enabled=False), torch.random.fork_rng(devices=[]):
            exact = _computed(copy.deepcopy(layer).double(), taken.double())
        wrong: dict[str, list[float]] = {}
        for _ in range(TRIES):
            _dirty(exact.values())
            with self.precision(taken.device):
                results = _computed(layer, taken)
            for what, tensor in results.items():
                error = _distance(tensor, exact[what])
                if error <= TOLERANCE:  # NaN is no agreement
                    self.error = max(self.error, error)
                else:
                    wrong.setdefault(what, []).append(error)
        for what, errors in wrong.items():
            where = f"{name} ({type(layer).__name__}) on {tuple(taken.shape)}"
            self.problems.append(_problem(where, what, errors))


def _computed(layer: nn.Module, taken: Tensor) -> dict[str, Tensor]:
    """What a layer gives, forward and backward; the gradient of its output is always the same."""
    with torch.enable_grad():
        taken = taken.detach().requires_grad_()
        output = layer.forward(taken)  # not called, since a call would come back here
        random = torch.Generator(output.device).manual_seed(0)
        drawn = torch.randn(output.shape, device=output.device, generator=random).bfloat16()
        gradient = torch.empty_like(output).copy_(drawn)  # in the layout of the output
        weights = dict(layer.named_parameters())
        gradients = torch.autograd.grad(output, [taken, *weights.values()], gradient)
    named = zip(["input", *weights], gradients, strict=True)
    return {"output": output.detach()} | {
        f"gradient of its {name}": tensor for name, tensor in named
    }


def _dirty(results: Iterable[Tensor]) -> None:
    """Leave NaN in the memory that is handed out next for results of these sizes."""
    for result in results:
        dirt = [
            torch.full((result.numel(),), math.nan, dtype=dtype, device=result.device)
            for dtype in (torch.float32, torch.float32, torch.bfloat16)
        ]
        del dirt


def _distance(result: Tensor, exact: Tensor) -> float:
    """The relative error of the row that is off most; of all, where there are no rows.

    A row that is small beside the others is held against these.
    """
    rows = (1, -1) if exact.ndim < 2 else (len(exact), -1)
    result, exact = result.double().reshape(rows), exact.reshape(rows)
    norms = exact.norm(dim=1)
    error = (result - exact).norm(dim=1) / norms.clamp(min=norms.square().mean().sqrt().item())
    return error.nan_to_num(math.inf if not result.isfinite().all() else 0.0).max().item()


def _problem(layer: str, what: str, errors: Sequence[float]) -> str:
    """One result of a layer that was wrong in some tries, in words."""
    broken = sum(not math.isfinite(error) for error in errors)
    finite = [error for error in errors if math.isfinite(error)]
    how = [f"not finite in {broken}"] if broken else []
    how += [f"off by up to {100 * max(finite):.3g} % in {len(finite)}"] if finite else []
    return f"{layer}: the {what} is {' and '.join(how)} of {TRIES} tries"
