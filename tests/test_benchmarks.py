"""Benchmarks are no tests of speed; here it is only made sure that what they name is there."""

import ast
import importlib.util

import pytest


def benchmarks():
    from pathlib import Path

    return sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", benchmarks(), ids=lambda path: path.stem)
def test_prints_its_ratio_last(path):
    tree = ast.parse(path.read_text())
    last = ast.unparse(tree.body[-1].body[-1])
    assert last.startswith("print(f") and "ratio" in last
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", benchmarks(), ids=lambda path: path.stem)
def test_imports_what_there_is(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
