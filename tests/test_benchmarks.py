"""Benchmarks are no tests of speed; here it is only made sure that what they name is there."""

import ast
import importlib.util
import re

import pytest


def benchmarks():
    from pathlib import Path

    return sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", benchmarks(), ids=lambda path: path.stem)
def test_prints_its_ratio_last(path):
    tree = ast.parse(path.read_text())
    last = ast.unparse(tree.body[-1].body[-1])
    text = ast.get_docstring(tree)
    assert last.startswith("print(") and "last" in text
    assert "ratio" in text or "share" in text


@pytest.mark.parametrize("path", benchmarks(), ids=lambda path: path.stem)
def test_imports_what_there_is(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_damage_is_found_and_harms_nothing(call, root):
    """A hundred files; the figures for a thousand stand in docs/performance.md."""
    done = call("python", "benchmarks/damaged_files.py", "100", "0", cwd=root, check=True)
    found = dict(re.findall(r"(\w+) ([\d.]+)", done.stdout.splitlines()[-1]))
    share = float(found.pop("changed_rejected"))
    harm = {"parent_deaths": "0", "timeouts": "0", "false_alarms": "0"}
    assert found == {"files": "100"} | harm, done.stdout
    assert share >= 0.85, done.stdout


def test_search_in_blocks_finds_what_scikit_learn_finds(call, root):
    """On a gallery of two blocks; the figures for a million stand in docs/performance.md."""
    sizes = ("--entries", "20000", "--queries", "300", "--channels", "16")
    done = call("python", "benchmarks/retrieval.py", *sizes, cwd=root, check=True)
    found = re.findall(r"(\w+) ([\d.]+)", done.stdout.splitlines()[-1])
    assert [name for name, _ in found] == ["peak_gib", "seconds", "ratio"]
    assert 0 < float(found[0][1]) < 1, done.stdout
