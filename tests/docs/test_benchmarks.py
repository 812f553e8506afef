"""Every benchmark runs at its quick size to the last line that it promises.

Speeds are no matter of tests; those in docs/performance.md are of the full sizes.
"""

import ast
import re
import runpy
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))
HOLDS = {  # what is no speed, by benchmark
    "damaged_files": lambda found: (
        found["changed_rejected"] >= 0.85
        and not found["parent_deaths"] + found["timeouts"] + found["false_alarms"]
    ),
    "preparing": lambda found: found["memory_ratio"] < 1.25,
    "retrieval": lambda found: 0 < found["peak_gib"] < 1,
}
each = pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)


def about(path):
    return ast.get_docstring(ast.parse(path.read_text()))


def promised(path):
    """Names in the last line that a docstring promises, as in: last `seconds <s> ratio <x>`."""
    [form] = re.findall(r"\blast\b[^`]*`((?:\w+ <[^>`]+> ?)+)`", " ".join(about(path).split()))
    return re.findall(r"(\w+) <", form)


@each
def test_runs_to_its_last_line(path, call, root):
    done = call("python", path, "--quick", cwd=root, check=True)
    last = done.stdout.splitlines()[-1]
    found = {name: float(number) for name, number in re.findall(r"(\w+) ([\d.]+)", last)}
    assert " ".join(re.findall(r"(\w+) [\d.]+(?: |$)", last)) == " ".join(promised(path)), last
    assert HOLDS.get(path.stem, bool)(found), done.stdout


@pytest.fixture
def told(monkeypatch, capsys):
    """Call a benchmark with words that it is not to work on: exit status, output, errors."""

    def call(path, *words):
        monkeypatch.setattr(sys, "argv", [str(path), *words])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(path), run_name="__main__")
        return stop.value.code, *capsys.readouterr()

    return call


@each
def test_explains_itself_and_refuses_in_one_line(path, told):
    status, text, _ = told(path, "--help")
    assert status == 0 and "--quick" in text and about(path) in text
    for words in (["--nothing"], ["nowhere.mp4"], ["--quick", "nowhere"], ["--quic"]):
        status, out, errors = told(path, *words)
        assert status == 2 and not out
        assert re.fullmatch(rf"error: .*{words[-1]}.*; see --help\n", errors), errors


@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("retrieval", "--entries 10", "a whole number of at least 250, got 10"),
        ("train_step", "--batch 1", "a whole number of at least 2, got 1"),
        ("chunked_memory", "--largest 16", "a whole number of at least 32, got 16"),
        ("clip_loading", "--seconds 0", "a number above 0, got 0"),
        ("damaged_files", "--seed x", "a whole number of at least 0, got x"),
        ("damaged_files", __file__, f"an .avi or .mp4 file, got {__file__}"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(name, words, expected, told):
    [path] = [path for path in BENCHMARKS if path.stem == name]
    status, out, errors = told(path, *words.split())
    assert status == 2 and not out
    assert errors.count("\n") == 1 and errors.endswith(f"expected {expected}; see --help\n")


def test_what_stages_import_is_there():
    """Also for the stages that the quick size leaves out."""
    from startup import STAGES

    for modules in STAGES.values():
        for name in modules.split(", "):
            import_module(name)


@pytest.mark.parametrize("change", [{"noise": 0.0}, {"noise_seed": 0}], ids=str)
def test_other_noise_is_another_loss(change, tmp_path):
    """The check that both ways to take a step compute the same is as sharp as that."""
    from parts.steps import Ours, Straightforward, run_of
    from train_step import require_same

    from hdc.runtime.fabric import start_fabric

    run = run_of("r3d18", SimpleNamespace(frames=8, batch=4), on_gpu=False)
    ours = Ours(run, start_fabric("32-true"), tmp_path)
    require_same(ours, Straightforward(run, ours))
    other = SimpleNamespace(**vars(run))
    other.batch = {
        name: replace(view, draws=[replace(one, **change) for one in view.draws])
        for name, view in run.batch.items()
    }
    with pytest.raises(SystemExit, match="not compute the same loss"):
        require_same(ours, Straightforward(other, ours))


def test_a_reader_that_cannot_be_had_is_left_out(make_video, tmp_path, monkeypatch, capsys):
    """As torchcodec without FFmpeg's libraries: it can be imported, and fails when it is used."""
    from parts.originals import originals

    def without_libraries(*_, **__):
        raise RuntimeError("Could not load libtorchcodec. Likely causes:\n    1. no FFmpeg\n")

    decoders = ModuleType("torchcodec.decoders")
    decoders.VideoDecoder = without_libraries
    for name, module in (("torchcodec", ModuleType("torchcodec")), ("decord", None)):
        monkeypatch.setitem(sys.modules, name, module)  # None: not installed
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", decoders)
    path = make_video(tmp_path / "a.mp4", np.zeros((20, 32, 32, 3), np.uint8), codec="libx264")
    [name] = originals([path], short_side=32)
    assert name.startswith("pyav ")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("decord: left out: ") and "decord" in first[len("decord: left out: ") :]
    why = "Could not load libtorchcodec. Likely causes: 1. no FFmpeg"
    assert second == f"torchcodec: left out: {why}"


def test_files_that_cannot_be_compared_are_left_out(make_video, tmp_path, capsys):
    from clip_loading import all_agree, main

    def refuses(video, first):
        raise OSError("no such codec")

    text, short = tmp_path / "text.avi", tmp_path / "short.mp4"
    text.write_text("no video")
    make_video(short, np.zeros((5, 32, 32, 3), np.uint8), codec="libx264")
    with pytest.raises(SystemExit, match="no file is left"):
        main([text, short], rounds=1, seconds=0.1)
    assert not all_agree({"peer": refuses}, 0, np.zeros((20, 32, 32, 3), np.uint8), short)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": left out: ")[0] for line in lines] == [
        "text.avi",
        "short.mp4",
        "short.mp4",
    ]
    assert lines[1].endswith("5 frames are too few") and lines[2].endswith("peer: no such codec")
