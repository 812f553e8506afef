"""The pinned set is one set, and holds what the package asks for."""

import re
import tomllib

import yaml
from packaging.requirements import Requirement
from packaging.version import Version


def name(requirement):
    return re.sub(r"[-_.]+", "-", Requirement(requirement).name).lower()


def pins(lines):
    return {name(line): line.split("==")[1] for line in lines if line and line[0] != "#"}


def test_conda_installs_the_lock(root):
    environment = yaml.safe_load((root / "environment.yml").read_text())
    [by_pip] = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    names = [item for item in environment["dependencies"] if isinstance(item, str)]
    assert [item.split("=")[0] for item in names] == ["python", "pip"]
    assert pins(by_pip) == pins((root / "requirements.lock").read_text().splitlines())


def test_the_lock_satisfies_the_package(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    locked = pins((root / "requirements.lock").read_text().splitlines())
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    for line in (*project["dependencies"], *extras):
        requirement = Requirement(line)
        assert Version(locked[name(line)]) in requirement.specifier, line


def test_the_lock_names_no_address(root):
    assert not re.search(r"://|@|--", (root / "requirements.lock").read_text())
