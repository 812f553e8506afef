"""The files that settings stand in: which there are, and which of them says what."""

from pathlib import Path

import yaml
from omegaconf import OmegaConf

from hdc.runtime.errors import InputError

CONF = Path(__file__).parents[1] / "conf"
OWN = ("backbone", "data", "protocol", "scale")  # beside ours, files of the user's own
FOLDERS = {  # choice -> where its files lie
    **{name: (Path("config", name), CONF / name) for name in OWN},
    "ablation": (Path("ablations"),),
}
GROUPS = {
    "data": "data@_global_",
    "protocol": "protocol@_global_",
    "scale": "scale@_global_",
}


def files(choice: str) -> dict[str, list[Path]]:
    """The YAML files in the folders of `choice`, and in their folders, by name."""
    by_name: dict[str, list[Path]] = {}
    for folder in FOLDERS[choice]:
        for path in sorted(folder.rglob("*.yaml")):
            by_name.setdefault(path.stem, []).append(path)
    return by_name


def allowed(choice: str) -> list[str]:
    """The names that may be chosen."""
    return sorted(files(choice))


def groups() -> dict[str, list[str]]:
    """The names of the runs in each folder of `ablations/`."""
    [folder] = FOLDERS["ablation"]
    inside = {path.name: path for path in sorted(folder.rglob("*")) if path.is_dir()}
    return {name: sorted(run.stem for run in path.rglob("*.yaml")) for name, path in inside.items()}


def file_of_run(ablation: str) -> Path:
    """Where the settings of a run stand; there is one such file, as `require_allowed` saw."""
    return shown(files("ablation")[ablation][0])


def require_allowed(choice: str, name: str, where: str) -> None:
    """Raise InputError if `name` is no file of `choice`; `where` is the setting that names it."""
    known = files(choice)
    if name not in known:
        folders = " or ".join(str(shown(folder)) for folder in FOLDERS[choice])
        raise InputError(
            f"{where}: expected one of {', '.join(sorted(known)) or 'nothing'} "
            f"(the files in {folders}), got {name}"
        )
    if len(known[name]) > 1:  # one of them would be taken without a word
        raise InputError(
            f"{where}: expected one file of that name, found "
            f"{' and '.join(map(str, known[name]))}; rename yours"
        )


def file_of(key: str, choices: dict[str, str]) -> str:
    """The file that sets `key`, as a text to show; the one that wins if several do."""
    chosen = [
        (path, "" if choice in (*GROUPS, "ablation") else choice)
        for choice, name in choices.items()
        for path in candidates(choice, name)
    ]
    remaining = [
        (path, path.parent.name)
        for path in sorted(CONF.glob("*/*.yaml"))
        if path.parent.name not in FOLDERS
    ]
    for path, node in [*reversed(chosen), *remaining]:  # `node`: whose settings the file holds
        content = OmegaConf.create(yaml.safe_load(path.read_text()) or {})
        inside = key.removeprefix(f"{node}.") if node else key
        if (inside != key or not node) and OmegaConf.select(content, inside) is not None:
            return str(shown(path))
    return "settings"


def candidates(choice: str, name: str) -> list[Path]:
    """The file of a choice, after those of the same kind that it builds on."""
    existing = files(choice).get(name, [])[:1]
    content = yaml.safe_load(existing[0].read_text()) if existing else None
    bases = content.get("defaults", []) if isinstance(content, dict) else []
    names = [base for base in bases if isinstance(base, str) and base != "_self_"]
    return [path for base in names for path in candidates(choice, base)] + existing


def shown(path: Path) -> Path:
    """`path` as a person would type it from the working folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
