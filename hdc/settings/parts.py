"""Parts: nodes of settings that name a function by `_target_` and give it the other keys.

A backbone is one, and so are a loss, a variation of a view and a reader of published lists. What a
function takes is read from its source, because importing it imports torch, which costs seconds at
every dry run.
"""

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hdc.settings.checks import require
from hdc.settings.data import OfficialData
from hdc.settings.objective import VIDEOS, Objective, Term

TARGET = "_target_"


@dataclass(frozen=True)
class Signature:
    """What a function takes."""

    given: tuple[str, ...]  # by position: what the code gives it, such as embeddings
    settings: dict[str, str]  # by name only: the other keys of a part, with their annotations
    required: tuple[str, ...]  # those of them that have no default


def parts_of(node: Any, key: str = "") -> Iterator[tuple[str, DictConfig]]:
    """Every part in a node of settings, with its dotted key."""
    if not isinstance(node, DictConfig) or node._is_none():
        return
    if TARGET in node:
        yield key, node
    for name in node:
        if not OmegaConf.is_missing(node, name):
            yield from parts_of(node[name], f"{key}.{name}" if key else str(name))


def merge(run: DictConfig, changes: DictConfig) -> None:
    """Merge changes over a run; what stood beside a replaced `_target_` does not stay."""
    for key, part in parts_of(changes):
        before = OmegaConf.select(run, key)
        if isinstance(before, DictConfig) and before.get(TARGET) not in (None, part[TARGET]):
            OmegaConf.update(run, key, {}, merge=False, force_add=True)
    run.merge_with(changes)


def check_part(part: DictConfig) -> None:
    """Refuse settings that the function of a part does not take, and the lack of those it needs.

    Raises ValueError as `<key>: expected <what>, got <found>`, the key relative to the part.
    """
    target = part[TARGET]
    signature = signature_of(target) if isinstance(target, str) else None
    if signature is None:
        raise ValueError(
            f"{TARGET}: expected a function of this package or of a file in the working folder, "
            f"got {target}"
        )
    for name, value in part.items():
        if name == TARGET:
            continue
        if name not in signature.settings:
            known = ", ".join(signature.settings) or f"nothing beside {TARGET}"
            raise ValueError(f"{name}: expected one of {known}")
        annotation = signature.settings[name]
        wanted = annotation if annotation in ("str", "bool") else "a number above 0"
        require(name, value, _fits(value, annotation), wanted)
    for name in signature.required:
        require(name, "none", name in part, f"a value, which {target} takes")


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value is what an argument's annotation says; numbers of a part are above 0."""
    if annotation in ("str", "bool"):
        return type(value).__name__ == annotation
    if set(annotation.split(" | ")) <= {"int", "float"}:
        return type(value).__name__ in annotation.split(" | ") and value > 0
    return True


@cache
def signature_of(target: str) -> Signature | None:
    """What the function that a dotted name stands for takes; None: there is no such function."""
    module, _, name = target.rpartition(".")
    source = _source(module)
    for node in ast.parse(source.read_text()).body if source else ():
        if isinstance(node, ast.FunctionDef) and node.name == name:
            names = node.args.kwonlyargs
            return Signature(
                tuple(argument.arg for argument in (*node.args.posonlyargs, *node.args.args)),
                {a.arg: ast.unparse(a.annotation or ast.Name("Any")) for a in names},
                tuple(
                    argument.arg
                    for argument, default in zip(names, node.args.kw_defaults, strict=True)
                    if default is None
                ),
            )
    return None


def check_inputs(objective: Objective) -> None:
    """Refuse views whose input is a name that no module has.

    Raises ValueError as `check_part` does, the key relative to the objective.
    """
    for name, view in objective.views.items():
        module, _, attribute = view.input.rpartition(".")
        source = _source(module) if module else None
        body = ast.parse(source.read_text()).body if source else ()
        targets = [
            target for node in body if isinstance(node, ast.Assign) for target in node.targets
        ]
        known = not module or attribute in [getattr(target, "id", "") for target in targets]
        wanted = "an hdc.data.inputs.Input of this package or of a file in the working folder"
        require(f"views.{name}.input", view.input, known, wanted)


def _source(module: str) -> Path | None:
    """The file of a module: an installed one, or one in the working folder."""
    try:
        found = importlib.util.find_spec(module) if module else None
    except ModuleNotFoundError:
        found = None
    if found is not None and found.origin is not None:
        return Path(found.origin)
    own = Path(*module.split(".")).with_suffix(".py") if module else Path()
    return own if own.is_file() else None


READER = ("folder", "files", "judged")


def check_reader(official: OfficialData | None) -> None:
    """Refuse a function that does not read lists of videos (`hdc.data.official.lists`).

    Raises ValueError as `check_part` does, the key relative to the data set.
    """
    signature = signature_of(official.lists[TARGET]) if official is not None else None
    if signature is not None:
        given = f"{official.lists[TARGET]}({', '.join(signature.given)})"
        expected = f"a function of ({', '.join(READER)})"
        require("official.lists", given, signature.given == READER, expected)


def check_terms(objective: Objective) -> None:
    """Refuse terms that ask for what their losses do not take, and losses that lack something.

    Raises ValueError as `check_part` does, the key relative to the objective.
    """
    for name, term in objective.in_use().items():
        if term.predict:
            continue
        target = term.loss[TARGET]
        signature = signature_of(target)
        given = signature.given if signature else ()
        try:
            _check_loss(term, target.rpartition(".")[2], given, objective.weighting)
        except ValueError as error:
            raise ValueError(f"terms.{name}.{error}") from error


ROLES = {("first", "second"), ("query", "key", "queue"), ("prediction", "target")}


def _check_loss(term: Term, loss: str, given: tuple[str, ...], weighting: str) -> None:
    needed = tuple(name for name in given if name != "others")
    require(
        "loss", f"{loss}({', '.join(given)})", needed in ROLES,
        "a function of (first, second), (query, key, queue) or (prediction, target)",
    )  # fmt: skip
    if "queue" in given:
        require("queue", term.queue, term.queue > 0, f"1 or more for {loss}, which needs it")
    elif "others" not in given:
        require("queue", term.queue, not term.queue, f"0 for {loss}, which has no negatives")
    if "others" not in given:
        plain = list(term.negatives) == [VIDEOS]
        require("negatives", list(term.negatives), plain, f"[videos] for {loss}")
    predictor = term.head.predictor if term.head is not None else None
    if "prediction" in given:
        has = predictor is not None
        require("head.predictor", None, has, f"a width for {loss}, which compares predictions")
        if weighting == "learned":
            require("loss", loss, False, "one that is never below 0, for weights to be learned")
    elif "first" in given:
        require("head.predictor", predictor, predictor is None, f"null for {loss}, alike on both")
