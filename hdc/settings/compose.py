"""Composes one run's settings, and says which file is wrong when one is.

A setting's meaning stands in `hdc.settings.schema`, its value in the YAML files of `hdc/conf/`; a
data set of the user's own in `config/data/`, a run in `ablations/`, both of the working folder.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hdc.runtime.errors import InputError
from hdc.runtime.home_folders import expanded
from hdc.settings.added import held, without_added
from hdc.settings.files import CONF, GROUPS, candidates, file_of, files, require_allowed
from hdc.settings.parts import (
    check_inputs,
    check_part,
    check_reader,
    check_terms,
    merge,
    parts_of,
)
from hdc.settings.schema import Config

ConfigStore.instance().store(name="schema", node=Config)


def compose_run(
    ablation: str,
    *,
    backbone: str,
    data: str,
    scale: str,
    protocol: str = "ours",
    overrides: Sequence[str] = (),
    shared: Sequence[str] = (),
) -> DictConfig:
    """The settings of one run on one data set, checked; `overrides` are `key=value` and win.

    `shared` are such words, too, of a whole study: the run's own file wins over them. Raises
    InputError that names the file, the key and what is allowed.
    """
    choices = {"backbone": backbone, "data": data, "protocol": protocol, "scale": scale}
    named = (*choices.items(), ("ablation", ablation))  # last, as it is merged
    return _compose(named, tuple(overrides), tuple(shared))


@cache
def _compose(
    choices: tuple[tuple[str, str], ...], overrides: tuple[str, ...], shared: tuple[str, ...]
) -> DictConfig:
    for choice, name in choices:
        require_allowed(choice, name, choice)
    run, name = _read(choices, overrides, shared), dict(choices)["ablation"]
    for other in run.learning_rates:
        require_allowed("ablation", other, "learning_rates")
    own_rate = run.learning_rates.get(run.pretrained_by or name)
    words = (*overrides, *shared)
    asked = any(word.startswith("pretrain.learning_rate=") for word in words)
    if own_rate is not None and not asked and not _sets_learning_rate(name):
        run.pretrain.learning_rate = own_rate
    _check(run, dict(choices))
    return run


def _sets_learning_rate(ablation: str) -> bool:
    """Whether a run's own file sets the rate: what it says holds at every scale."""
    [path] = files("ablation")[ablation]
    return "learning_rate" in ((yaml.safe_load(path.read_text()) or {}).get("pretrain") or {})


def _read(
    choices: tuple[tuple[str, str], ...], overrides: tuple[str, ...], shared: tuple[str, ...]
) -> DictConfig:
    """The chosen files and the overrides, one over the other, not checked."""
    try:
        run = _shared(choices[:-1], shared).copy()
        # As while Hydra merges: the schema decides what may be added.
        OmegaConf.set_struct(run, None)
        for path in candidates("ablation", dict(choices)["ablation"]):
            merge(run, _changes(path))
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            _apply(override, run)
        OmegaConf.set_struct(run, True)
        if run.encoder:  # the one setting that is a path
            run.encoder = expanded(run.encoder, f"{file_of('encoder', dict(choices))}: encoder")
        return run
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise InputError(_explain(error, dict(choices))) from error


def _changes(path: Path) -> DictConfig:
    """What the file of a run changes, without the names of the runs that it builds on."""
    content = OmegaConf.create(path.read_text())
    if not isinstance(content, DictConfig):
        raise InputError(f"{path}: expected settings by name, got {content!s:.40}")
    for base in content.pop("defaults", []):
        if base != "_self_":
            require_allowed("ablation", base, f"{path}: defaults")
    return content


def _apply(override: Override, run: DictConfig) -> None:
    """One `key=value` of a command line over a run; `~key` takes a key away."""
    key = override.key_or_group
    if override.is_delete():
        above, _, name = key.rpartition(".")
        (OmegaConf.select(run, above) if above else run).pop(name)
        return
    changes: Any = override.value()
    for name in reversed(key.split(".")):
        changes = {name: changes}
    merge(run, OmegaConf.create(changes))


@cache
def _shared(choices: tuple[tuple[str, str], ...], words: tuple[str, ...]) -> DictConfig:
    """What all runs of a backbone, a data set, a protocol and a scale have in common, by Hydra.

    `words`: what a study says for all its runs, over these files.

    A run's own file comes last and is merged over it: that takes a quarter of the time, and a
    `_target_` that it replaces leaves nothing behind, which Hydra would merge.
    """
    chosen = [f"{GROUPS.get(choice, choice)}={name}" for choice, name in choices]
    search = "hydra.searchpath=[file://config]" if Path("config").is_dir() else ""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [*chosen, *filter(None, [search]), *words])


def forget_composed() -> None:
    """Read every file anew from now on: a run is composed once, since files do not change."""
    _compose.cache_clear()
    _shared.cache_clear()


def settings_text(run: DictConfig, nodes: Sequence[str]) -> str:
    """Some top-level nodes of a run, as text that changes exactly when one of their values does."""
    return OmegaConf.to_yaml(OmegaConf.create(held(run, nodes)), sort_keys=True)


def typed(run: DictConfig, *nodes: str) -> list[Any]:
    """Top-level nodes of a run as objects of the classes in `hdc.settings.schema`."""
    return [OmegaConf.to_object(run[node]) for node in nodes]


def plain(node: Any) -> Any:
    """A node of a run as plain dicts, lists, numbers and texts, to be written as JSON."""
    return without_added(node)


def _check(run: DictConfig, choices: dict[str, str]) -> None:
    """Refuse missing values, values out of their limits and arguments that a part does not take."""
    missing = sorted(OmegaConf.missing_keys(run))
    if missing:
        raise InputError(
            f"{file_of(missing[0], choices)}: {missing[0]}: expected a value, got none"
        )
    made = OmegaConf.to_object(run)
    _check_limits(made, "", choices)
    if "_target_" not in run.backbone:
        raise InputError(f"{file_of('backbone', choices)}: backbone._target_: expected a function")
    for key, part in parts_of(run):
        _checked(lambda part=part: check_part(part), f"{key}.", choices)
    for check in (check_terms, check_inputs):
        _checked(lambda check=check: check(made.objective), "objective.", choices)
    _checked(lambda: check_reader(made.data.official), "data.", choices)


def _check_limits(node: Any, key: str, choices: dict[str, str]) -> None:
    """Call `check` of a node and of all below it."""
    children = node.items() if isinstance(node, dict) else ()
    if is_dataclass(node):
        children = [(field.name, getattr(node, field.name)) for field in fields(node)]
    for name, child in children:
        _check_limits(child, f"{key}{name}.", choices)
    if hasattr(node, "check"):
        _checked(node.check, key, choices)


def _checked(check: Callable[[], None], key: str, choices: dict[str, str]) -> None:
    """Call a check of what lies below `key`; its ValueError becomes an InputError with the file."""
    try:
        check()
    except ValueError as error:
        where = file_of(key + str(error).split(":", 1)[0], choices)
        raise InputError(f"{where}: {key}{error}") from error


def _explain(error: Exception, choices: dict[str, str]) -> str:
    """One line for an error of Hydra, OmegaConf or YAML: the file, the key, what is allowed."""
    if isinstance(error, yaml.YAMLError):
        return f"expected YAML, found: {' '.join(str(error).split())}"
    text = f"{error}\n{error.__cause__ or ''}"
    match = re.search(r"(.*)\n\s*full_key: (\S+)", text)
    if match is None:
        return f"settings: {text.splitlines()[0]}"
    problem, key = match.groups()
    if "not in" in problem:
        problem = f"expected one of {', '.join(_keys_of(key.rpartition('.')[0]))}"
    return f"{file_of(key, choices)}: {key}: {problem}"


def _keys_of(key: str) -> list[str]:
    """The settings that a dotted key of `Config` has below it; none where the schema is open."""
    node: Any = Config
    for name in filter(None, key.split(".")):
        types = {field.name: field.type for field in fields(node)}
        node = next(iter(getattr(types[name], "__args__", [types[name]])))
        if not is_dataclass(node):
            return []
    return [field.name for field in fields(node)]
