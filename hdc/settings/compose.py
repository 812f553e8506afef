"""Composes one run's settings, and says which file is wrong when one is.

A setting's meaning stands in `hdc.settings.schema`, its value in the YAML files of `hdc/conf/`; a
data set of the user's own in `config/data/`, a run in `ablations/`, both of the working folder.
"""

import ast
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hdc.runtime.errors import InputError
from hdc.runtime.home_folders import expanded
from hdc.settings.schema import Config

CONF = Path(__file__).parents[1] / "conf"
FOLDERS = {  # choice -> where its files lie
    "backbone": (CONF / "backbone",),
    "data": (Path("config/data"), CONF / "data"),
    "protocol": (CONF / "protocol",),
    "scale": (CONF / "scale",),
    "ablation": (Path("ablations"),),
}
_GROUPS = {
    "data": "data@_global_",
    "protocol": "protocol@_global_",
    "scale": "scale@_global_",
    "ablation": "ablations@_global_",
}

ConfigStore.instance().store(name="schema", node=Config)


def allowed(choice: str) -> list[str]:
    """The names that may be chosen: the YAML files in the folders of `choice`."""
    return sorted({path.stem for folder in FOLDERS[choice] for path in folder.glob("*.yaml")})


def require_allowed(choice: str, name: str, where: str) -> None:
    """Raise InputError if `name` is no file of `choice`; `where` is the setting that names it."""
    if name not in allowed(choice):
        folders = " or ".join(str(_shown(folder)) for folder in FOLDERS[choice])
        raise InputError(
            f"{where}: expected one of {', '.join(allowed(choice)) or 'nothing'} "
            f"(the files in {folders}), got {name}"
        )
    files = [path for folder in FOLDERS[choice] if (path := folder / f"{name}.yaml").is_file()]
    if len(files) > 1:  # Hydra would silently take its own
        raise InputError(
            f"{where}: expected one file of that name, found {' and '.join(map(str, files))}; "
            "rename yours"
        )


def compose_run(
    ablation: str,
    *,
    backbone: str,
    data: str,
    scale: str,
    protocol: str = "ours",
    overrides: Sequence[str] = (),
) -> DictConfig:
    """The settings of one run on one data set, checked; `overrides` are `key=value` and win.

    Raises InputError that names the file, the key and what is allowed.
    """
    choices = {"backbone": backbone, "data": data, "protocol": protocol, "scale": scale}
    return _compose((*choices.items(), ("ablation", ablation)), tuple(overrides))


@cache
def _compose(choices: tuple[tuple[str, str], ...], overrides: tuple[str, ...]) -> DictConfig:
    for choice, name in choices:
        require_allowed(choice, name, choice)
    run, name = _read(choices, overrides), dict(choices)["ablation"]
    for other in run.learning_rates:
        require_allowed("ablation", other, "learning_rates")
    own_rate = run.learning_rates.get(run.pretrained_by or name)
    asked = any(override.startswith("pretrain.learning_rate=") for override in overrides)
    if own_rate is not None and not asked and not _sets_learning_rate(name):
        run.pretrain.learning_rate = own_rate
    _check(run, dict(choices))
    return run


def _sets_learning_rate(ablation: str) -> bool:
    """Whether a run's own file sets the rate: what it says holds at every scale."""
    text = (FOLDERS["ablation"][0] / f"{ablation}.yaml").read_text()
    return "learning_rate" in ((yaml.safe_load(text) or {}).get("pretrain") or {})


def _read(choices: tuple[tuple[str, str], ...], overrides: tuple[str, ...]) -> DictConfig:
    """The chosen files and the overrides, one over the other, not checked."""
    try:
        merged = None if overrides else _merged(choices)
        run = _by_hydra(choices, overrides) if merged is None else merged
        if run.encoder:  # the one setting that is a path
            run.encoder = expanded(run.encoder, f"{file_of('encoder', dict(choices))}: encoder")
        return run
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise InputError(_explain(error, dict(choices))) from error


def _merged(choices: tuple[tuple[str, str], ...]) -> DictConfig | None:
    """The same as `_by_hydra`, in a quarter of the time, which a study of many runs needs.

    A run's own file comes last, so it is merged over what all runs share, which Hydra composes
    once. None where the file asks Hydra for more: it names other files, or a place of its own.
    """
    text = (FOLDERS["ablation"][0] / f"{dict(choices)['ablation']}.yaml").read_text()
    changes = OmegaConf.create(text)
    if "@package" in text or not isinstance(changes, DictConfig) or "defaults" in changes:
        return None
    run = _shared(tuple(choice for choice in choices if choice[0] != "ablation")).copy()
    OmegaConf.set_struct(run, None)  # as while Hydra merges: the schema decides what may be added
    run.merge_with(changes)
    OmegaConf.set_struct(run, True)
    return run


@cache
def _shared(choices: tuple[tuple[str, str], ...]) -> DictConfig:
    """What all runs of a backbone, a data set, a protocol and a scale have in common."""
    return _by_hydra(choices, (f"~{_GROUPS['ablation']}",))


def forget_composed() -> None:
    """Read every file anew from now on: a run is composed once, since files do not change."""
    _compose.cache_clear()
    _shared.cache_clear()


def _by_hydra(choices: tuple[tuple[str, str], ...], overrides: tuple[str, ...]) -> DictConfig:
    """The chosen files and the overrides, as Hydra puts them together."""
    chosen = [f"{_GROUPS.get(choice, choice)}={name}" for choice, name in choices]
    search = [f"file://{folder}" for folder in (Path("config"), Path()) if folder.is_dir()]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", [*chosen, f"hydra.searchpath=[{','.join(search)}]", *overrides])


def settings_text(run: DictConfig, nodes: Sequence[str]) -> str:
    """Some top-level nodes of a run, as text that changes exactly when one of their values does."""
    return OmegaConf.to_yaml(OmegaConf.masked_copy(run, list(nodes)), sort_keys=True)


def typed(run: DictConfig, *nodes: str) -> list[Any]:
    """Top-level nodes of a run as objects of the classes in `hdc.settings.schema`."""
    return [OmegaConf.to_object(run[node]) for node in nodes]


def plain(node: Any) -> Any:
    """A node of a run as plain dicts, lists, numbers and texts, to be written as JSON."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _check(run: DictConfig, choices: dict[str, str]) -> None:
    """Refuse missing values, values out of their limits and arguments that a part does not take."""
    missing = sorted(OmegaConf.missing_keys(run))
    if missing:
        raise InputError(
            f"{file_of(missing[0], choices)}: {missing[0]}: expected a value, got none"
        )
    _check_limits(OmegaConf.to_object(run), "", choices)
    _check_arguments(run.backbone, "backbone", choices)


def _check_limits(node: Any, key: str, choices: dict[str, str]) -> None:
    """Call `check` of a node and of all below it."""
    children = node.items() if isinstance(node, dict) else ()
    if is_dataclass(node):
        children = [(field.name, getattr(node, field.name)) for field in fields(node)]
    for name, child in children:
        _check_limits(child, f"{key}{name}.", choices)
    try:
        if hasattr(node, "check"):
            node.check()
    except ValueError as error:
        where = file_of(key + str(error).split(":", 1)[0], choices)
        raise InputError(f"{where}: {key}{error}") from error


def _check_arguments(part: DictConfig, key: str, choices: dict[str, str]) -> None:
    """Refuse a setting that the function named by `_target_` does not take, without importing it.

    Read from its source, because importing a backbone imports torch, which costs seconds at every
    dry run.
    """
    target = part.get("_target_")
    taken = _arguments(target) if isinstance(target, str) else None
    if taken is None:
        where = file_of(f"{key}._target_", choices)
        raise InputError(
            f"{where}: {key}._target_: expected a function of this package, got {target}"
        )
    for name, value in part.items():
        if name == "_target_":
            continue
        problem = ""
        if name not in taken:
            problem = f"expected one of {', '.join(taken)}"
        elif not _fits(value, taken[name]):
            wanted = taken[name] if taken[name] in ("str", "bool") else "a number above 0"
            problem = f"expected {wanted}, got {value}"
        if problem:
            raise InputError(f"{file_of(f'{key}.{name}', choices)}: {key}.{name}: {problem}")


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value is what an argument's annotation says; numbers of a part are above 0."""
    if annotation in ("str", "bool"):
        return type(value).__name__ == annotation
    if set(annotation.split(" | ")) <= {"int", "float"}:
        return type(value).__name__ in ("int", "float") and value > 0
    return True


def _arguments(target: str) -> dict[str, str] | None:
    """The arguments of a function and their annotations, read from its source; None: not found."""
    module, _, name = target.rpartition(".")
    try:
        source = importlib.util.find_spec(module) if module else None
    except ModuleNotFoundError:
        return None
    if source is None or source.origin is None:
        return None
    for node in ast.parse(Path(source.origin).read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            arguments = (*node.args.args, *node.args.kwonlyargs)
            return {
                argument.arg: ast.unparse(argument.annotation or ast.Name("Any"))
                for argument in arguments
            }
    return None


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


def file_of(key: str, choices: dict[str, str]) -> str:
    """The file that sets `key`, as a text to show; the one that wins if several do."""
    files = [path for choice, name in choices.items() for path in _candidates(choice, name)]
    remaining = [path for path in sorted(CONF.glob("*/*.yaml")) if path.parent.name not in FOLDERS]
    for path in [*reversed(files), *remaining]:
        top, _, below = key.partition(".")
        content = OmegaConf.create(yaml.safe_load(path.read_text()) or {})
        inside = below if path.parent.name == top and path.parent.parent == CONF else key
        if path.parent.name in ("data", "protocol", "scale", "ablations"):
            inside = key
        if inside and OmegaConf.select(content, inside) is not None:
            return str(_shown(path))
    return "settings"


def _candidates(choice: str, name: str) -> list[Path]:
    """The file of a choice, after those of the same kind that it builds on."""
    paths = [folder / f"{name}.yaml" for folder in FOLDERS[choice]]
    existing = [path for path in paths if path.is_file()][:1]
    content = yaml.safe_load(existing[0].read_text()) if existing else None
    bases = content.get("defaults", []) if isinstance(content, dict) else []
    names = [base for base in bases if isinstance(base, str) and base != "_self_"]
    return [path for base in names for path in _candidates(choice, base)] + existing


def _shown(path: Path) -> Path:
    """`path` as a person would type it from the working folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
