"""The rooms of the package lie on floors: a file imports only from its own and those below."""

import ast
from pathlib import Path

import pytest

# From the ground up; what is not named here (the stages) stands above all.
FLOORS = (
    "runtime", "settings", "data", "backbones", "encoders", "losses", "objectives",
    "training", "evaluation", "study", "analysis", "reporting", "commands",
)  # fmt: skip
FRONT = "hdc"  # hdc/__init__.py hands out what lies on any floor
MOST_ENTRIES = 26  # directly in hdc/


def floor(module):
    """How high a module stands."""
    room = module.split(".")[1]
    return FLOORS.index(room) if room in FLOORS else len(FLOORS)


def modules(root):
    """Every module of the package with its file."""
    for path in sorted((root / "hdc").rglob("*.py")):
        yield ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"), path


def imported(path, known):
    """The modules of the package that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            inner = [f"{node.module}.{name.name}" for name in node.names]
            yield from (name if name in known else node.module for name in inner)


def problems(root):
    """Each import that points up, with both files."""
    known = dict(modules(root))
    for module, path in known.items():
        for other in imported(path, known) if module != FRONT else ():
            if other == FRONT or floor(other) > floor(module):
                yield f"{path.relative_to(root)} imports {known[other].relative_to(root)}"


def circle(graph):
    """The modules of some circle of imports; empty if there is none."""
    state = {}

    def visit(module, way):
        if state.get(module) == "done":
            return []
        if module in way:
            return way[way.index(module) :]
        found = next((c for other in graph[module] if (c := visit(other, [*way, module]))), [])
        state[module] = "done"
        return found

    return next((found for module in graph if (found := visit(module, []))), [])


def test_imports_point_down(root):
    assert not list(problems(root))


def test_no_circle(root):
    known = dict(modules(root))
    graph = {name: set(imported(path, known)) - {name} for name, path in known.items()}
    assert circle(graph) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "text", ["from hdc.report import main", "def late():\n    import hdc.prepare"]
)
def test_an_import_that_points_up_is_found(tmp_path, text):
    for name, content in {"data/store.py": text, "prepare.py": "", "report.py": ""}.items():
        path = tmp_path / "hdc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    [problem] = problems(tmp_path)
    assert problem.startswith("hdc/data/store.py imports hdc/")


def test_few_things_lie_outside_of_rooms(root):
    entries = [path.name for path in Path(root, "hdc").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES, sorted(entries)
