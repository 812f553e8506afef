"""Names in a study's configuration: each must stand for something that there is."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hdc.runtime.errors import InputError
from hdc.settings.compose import compose_run, typed
from hdc.settings.files import allowed, groups, require_allowed
from hdc.study.runs import part_of

SAME = "same"  # pretrain_on: for each evaluated split its own training part
FLOOR = "random_init"
TAKEN = ("data", "published")  # folders under results/ that are no study's


def require_names(config: Mapping[str, Any]) -> None:
    """Refuse names in a study's configuration that stand for nothing."""
    if config["study"] in TAKEN:
        raise InputError(f"study: expected a name other than {' and '.join(TAKEN)}")
    if config["study"] in config.get("home_studies", []):
        raise InputError(f"home_studies: expected other studies, got {config['study']} itself")
    require_allowed("scale", config["scale"], "scale")
    require_allowed("protocol", config.get("protocol", "ours"), "protocol")
    for name in config["backbones"]:
        require_allowed("backbone", name, "backbones")
    for key in ("ablations", "skip"):
        named_runs(config.get(key, []), key)
    if config["pretrain_on"] != SAME:
        _require_part(config["pretrain_on"], "pretrain_on")
    for name, splits in config["evaluate_on"].items():
        for split in splits:
            _require_part(f"{name}-split{split}", "evaluate_on")
    _require_floor(config)


def _require_floor(config: Mapping[str, Any]) -> None:
    """Refuse heads on frozen encoders without the same head on an untrained one.

    A head can work out by itself what features do not hold.
    """
    protocol, data = config.get("protocol", "ours"), next(iter(config["evaluate_on"]))
    run = compose_run("hdc", backbone="r3d18", data=data, scale=config["scale"], protocol=protocol)
    runs = {*named_runs(config["ablations"], "ablations")}
    if run.finetune.frozen and FLOOR not in runs - {*named_runs(config.get("skip", []), "skip")}:
        raise InputError(
            f"ablations: expected {FLOOR} among them, because protocol {protocol} trains heads on "
            "frozen encoders and what a head does by itself is seen on an untrained one; add it"
        )


def named_runs(named: str | Sequence[str], key: str) -> list[str]:
    """The runs that a study names: `all`, single ones, or whole folders of `ablations/`.

    In the order of their names, each once. `key`: of the study's file, for a message.
    Raises InputError for a name that stands for nothing, or for both a run and a folder.
    """
    runs, folders = allowed("ablation"), groups()
    if named == "all":
        return runs
    found: list[str] = []
    for name in named:
        if name in folders and name in runs:
            raise InputError(
                f"{key}: expected a run or a folder of ablations/, found both called {name}; "
                "rename one"
            )
        if name not in folders:
            require_allowed("ablation", name, key)
        found += folders.get(name, [name])
    return list(dict.fromkeys(found))


def split_numbers(data: str) -> range:
    """The splits that a data set has, counted from 1."""
    run = compose_run("hdc", backbone="r3d18", data=data, scale="demo")
    return range(1, typed(run, "data")[0].splits + 1)


def _require_part(name: str, where: str) -> None:
    """Refuse what is neither a data set nor one of its splits."""
    if not re.fullmatch(r"[a-z0-9_]+(-split[0-9]+)?", name):
        raise InputError(
            f"{where}: expected a data set such as ucf101 or ucf101-split1, got {name}"
        )
    data, split = part_of(name)
    require_allowed("data", data, where)
    if split is not None and split not in split_numbers(data):
        count = len(split_numbers(data))
        has = f"splits 1 to {count}" if count else "no split, only videos to pretrain on"
        raise InputError(f"{where}: {data} has {has}, got {split}")
