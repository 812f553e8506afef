"""`benchmarks/on_gpu.sh` on the processor, at tiny sizes: a borrowed GPU is not its first try."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PARTS = [
    "machine", "doctor", "gpu tests", "layers", "prepare", "killed twice", "speed", "compiled",
    "waiting", "study",
]  # fmt: skip


def on_gpu(root, *words):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(root / "benchmarks/on_gpu.sh"), *map(str, words)]
    environment = os.environ | {"PATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def lines_of(root, path, seconds):
    done = on_gpu(root, seconds, path)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_cut_by_the_clock_it_says_how_far_it_came(root, tmp_path):
    lines = lines_of(root, tmp_path / "lease.jsonl", 12)
    ends = {line["part"]: line["ended"] for line in lines if "ended" in line}
    assert list(ends) == PARTS[1:] and ends["doctor"] == 0
    cut = list(ends.values()).index("not begun")
    assert set(list(ends.values())[cut:]) == {"not begun"} and lines[-1]["second"] < 30
    assert "processor" in lines[0]["device"] and lines[0]["torch"]


@pytest.mark.slow
def test_it_runs_to_its_end(root, tmp_path):
    lines = lines_of(root, tmp_path / "lease.jsonl", 600)
    ends = {line["part"]: line["ended"] for line in lines if "ended" in line}
    layers = ends.pop("layers")  # 1 where folders of videos that the study names are not there
    assert layers in (0, 1) and ends == {part: 0 for part in PARTS[1:] if part != "layers"}, lines
    by_part = {part: [line for line in lines if line["part"] == part] for part in PARTS}
    assert all(line["equal"] for line in by_part["killed twice"][:-1])
    assert {line["backbone"] for line in by_part["speed"] if "videos" in line} == {
        "r3d18", "c3d", "r2plus1d10",
    }  # fmt: skip
    assert any(line.get("kernels") for line in by_part["speed"])
    assert by_part["compiled"][0]["clips_per_second"] > 0
    assert [line["form"] for line in by_part["waiting"][:-1]] == ["raw", "h264"]
    assert by_part["study"][0]["retrieval"]


@pytest.mark.parametrize("words", [["soon"], ["1", "2", "3"]])
def test_wrong_words_are_refused_in_one_line(root, words):
    done = on_gpu(root, *words)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: expected on_gpu.sh [SECONDS] [FILE], found: ")
