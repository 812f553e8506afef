"""One report of a study with many damaged files: it is made, and names what it left out and why."""

import html
import io
import json
import re
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from planted_study import plant, write_record

from hdc import report
from hdc.commands.compare import compare
from hdc.commands.publish import publish
from hdc.runtime.errors import InputError
from hdc.study.record_rules import measured_invariance

RUNS, SEEDS = ("hdc", "random_init"), range(14)


def replaced(old, new, count=1):
    def damage(content):
        changed = content.replace(old.encode(), new.encode(), count)
        assert changed != content
        return changed

    return damage


def half(content):
    return content[: len(content) // 2]


def without_last_line(content):
    return b"".join(content.splitlines(keepends=True)[:-1])


def binary(content):
    return np.random.default_rng(0).bytes(len(content))


def text(words):
    return lambda content: words.encode()


def one_bit(content):
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    return bytes(changed)


TEXT, SHARE = (
    "expected a whole record as JSON, found another text",
    "least 0 and at most 1 as metrics",
)
LINE, FILE = "expected numbers by name in line", "expected a whole file, found another: "
MEAN = r"expected a mean of 0\.\d+ in column {}, as recorded, found 0\.\d"

# Each on a file of its own: run, seed, file, damage, and what is said of it.
CASES = [
    ("hdc", 8, "evaluate.json", half, TEXT),
    ("hdc", 9, "evaluate.json", text(""), TEXT),
    ("hdc", 10, "evaluate.json", binary, TEXT),
    ("hdc", 11, "evaluate.json", text("[]"), r"expected a table as the record, found \[\]"),
    ("hdc", 12, "evaluate.json", replaced('"r1": 0.', '"r1": 7.'),
     f"{SHARE} retrieval layer2 r1, found 7"),
    ("hdc", 13, "evaluate.json", replaced('"chance": 0.', '"chance": NaN, "x": 0.'),
     f"{TEXT}: NaN is no number"),
    ("random_init", 8, "evaluate.json", replaced('["layer2"', "[2"),
     "expected a text as a name in metrics levels, found 2"),
    ("random_init", 9, "evaluate.json", replaced('"linear": {', '"linear": {"x": [], '),
     r"expected a table as metrics linear x, found \[\]"),
    ("random_init", 10, "evaluate.json", replaced('"split": 1', '"split": 2'),
     "expected split 1, as the path says, found 2"),
    ("random_init", 11, "evaluate.json", replaced('"r2": 0.', '"r2": 1e999, "x": 0.'),
     "expected a number at most 1 as metrics linear layer2 size r2, found inf"),
    ("random_init", 12, "evaluate.json", text("[" * 100_000), TEXT),
    ("hdc", 8, "finetune.json", replaced('"seed": 8', '"seed": 9'),
     "expected seed 8, as the path says, found 9"),
    ("hdc", 9, "finetune.json", replaced('"top1": 0.', '"top1": "high", "x": 0.'),
     f"{SHARE} top1, found 'high'"),
    ("hdc", 10, "finetune.json", replaced('"metrics"', '"metric"'),
     "expected a table as metrics, found nothing"),
    ("hdc", 8, "pretrain.json", replaced('"stage": "pretrain"', '"stage": "finetune"'),
     "expected stage pretrain, as the path says, found finetune"),
    ("hdc", 9, "pretrain.json", replaced('"steps": 20', '"steps": -20'),
     "expected a number at least 0 as metrics steps, found -20"),
    ("hdc", 10, "pretrain.json", replaced('{"clip"', '{"ablation": "other", "clip"'),
     "expected ablation hdc, as the path says, found other"),
    ("hdc", 0, "log.jsonl", binary, f"{FILE}'utf-8' codec can't decode byte"),
    ("hdc", 1, "log.jsonl", replaced('"step": 7', '"stop": 7'), f"{LINE} 7, found"),
    ("hdc", 2, "log.jsonl", replaced('"loss": ', '"loss": "'), f"{LINE} 1, found"),
    ("hdc", 3, "log.jsonl", replaced('"loss": ', '"loss": NaN, "x": '), f"{LINE} 1, found"),
    ("hdc", 4, "log.jsonl", text("[]\n"), rf"{LINE} 1, found \[\]"),
    ("hdc", 0, "outcomes.csv", text(""), f"{FILE}No columns to parse from file"),
    ("hdc", 1, "outcomes.csv", binary, FILE),
    ("hdc", 2, "outcomes.csv", without_last_line, "50 test videos, found 49 rows and 49 videos"),
    ("hdc", 3, "outcomes.csv", replaced("01.avi", "00.avi"), "found 50 rows and 49 videos"),
    ("hdc", 4, "outcomes.csv", replaced("video,", "vidio,"), "expected a column video, found none"),
    ("hdc", 5, "outcomes.csv", replaced(",0,", ",3,"),
     "expected shares from 0 to 1 in column linear_layer4_label, found others"),
    ("hdc", 6, "outcomes.csv", replaced(",0,", ",x,"), "in column linear_layer4_label, found"),
    ("hdc", 7, "outcomes.csv", replaced(",0,", ",1,"), MEAN.format("linear_layer4_label")),
    ("random_init", 0, "predictions.csv", text("\0" * 100), "expected"),
    ("random_init", 1, "predictions.csv", half, "expected"),
    ("random_init", 2, "predictions.csv", replaced("predicted", "predict"), "a column predicted"),
    ("random_init", 3, "predictions.csv", replaced("jump,run", "jump,jump"),
     MEAN.format("predicted")),
    ("hdc", 0, "map.csv", text("video,first,second\n"),
     "expected columns video, first, second, label, found video, first, second"),
    ("hdc", 1, "map.csv", replaced("star,up,0.0,", "star,up,0.0o,"),
     "expected numbers in column size, found others"),
    ("hdc", 2, "map.csv", replaced("star,up,0.0,1.0", "star,up,0.0,"),
     "expected a place for each video, found blanks"),
    ("hdc", 3, "map.csv", without_last_line, "expected a row for each of 50 videos, found 49"),
    ("random_init", 0, "map.csv", replaced("motion", "notion"),
     "expected columns video, label, shape, motion, .*, found video, label, shape, notion"),
    ("hdc", 0, "views.png", one_bit, "expected a whole PNG"),
    ("random_init", 0, "views.png", half, "expected a whole PNG"),
    ("hdc", 0, "neighbors.png", text("GIF89a"), "expected a whole PNG"),
]  # fmt: skip


def place(run, seed, name):
    """Where a file lies, below the study's folder."""
    of_run = name in ("pretrain.json", "log.jsonl", "views.png")
    folder = f"runs/r3d18/{run}/seed{seed}/synthetic-split1"
    return f"{folder}/{name}" if of_run else f"{folder}/synthetic/split1/{name}"


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """The folder of a study with all the damage, what its report said, and its page."""
    root = tmp_path_factory.mktemp("work") / "results/planted"
    shares = lambda run, seed, split: (0.5 if run == "hdc" else 0.3) + seed % 3 / 50  # noqa: E731
    study = plant(root, ablations=RUNS, seeds=tuple(SEEDS), splits=(1,), shares=shares)
    picture = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture, format="png")
    for run in RUNS:
        for name in ("views.png", "neighbors.png"):
            (root / place(run, 0, name)).write_bytes(picture.getvalue())
    for run, seed, name, damage, _ in CASES:
        path = root / place(run, seed, name)
        path.write_bytes(damage(path.read_bytes()))
    with redirect_stdout(io.StringIO()) as said:
        report.main(report.STAGE.read([f"study={study}", f"output_dir={root}"]))
    return root, said.getvalue(), html.unescape((root / "report.html").read_text())


@pytest.mark.parametrize(
    ("run", "seed", "name", "line"), [(run, seed, name, line) for run, seed, name, _, line in CASES]
)
def test_the_report_names_what_it_left_out(damaged, run, seed, name, line):
    _, said, page = damaged
    path = re.escape(f"results/planted/{place(run, seed, name)}")
    assert re.search(rf"^left out as damaged: {path}: .*({line})", said, re.MULTILINE)
    assert re.search(rf"<li>{path}: .*({line})", page)


def test_nothing_else_is_left_out_and_nothing_twice(damaged):
    root, said, page = damaged
    lines = said.splitlines()
    records = sum(name.endswith(".json") for _, _, name, *_ in CASES)
    assert len(lines) == len(CASES) + 1
    assert lines[-1].endswith(f"report.html: {records} records missing")
    assert f"{len(CASES)} damaged files are left out." in page
    assert "records are missing; the cells say so" not in page  # each of those was damaged
    table = pd.read_csv(root / "tables/retrieval.csv").set_index("ablation")
    assert table.r1_seeds.to_dict() == {"hdc": 8, "random_init": 9}
    assert "hdc (no log that can be read)" in page
    assert page.count("Nearest neighbors by") == 1 and "Augmented views of" not in page


def test_a_damaged_study_is_not_published(damaged, monkeypatch):
    root, *_ = damaged
    monkeypatch.chdir(root.parents[1])
    expected = (
        r"^results/planted/runs/.*: expected .*, and \d+ more; delete what is damaged and run"
    )
    with pytest.raises(InputError, match=expected):
        publish("planted")
    assert not (root.parent / "published").exists()


def test_a_comparison_names_what_it_left_out(damaged):
    root, *_ = damaged
    assert "left out as damaged: results/planted/" in compare(root, root)
    assert len(json.loads(compare(root, root, as_json=True))["damaged"]) > 2 * 16


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        ({"invariance": {"temporal_layer4": 1.5}}, "at most 1 as metrics invariance"),
        ({"invariance": {}}, "expected metrics invariance, found none; pretrain that run again"),
    ],
)  # fmt: skip
def test_weights_of_another_run_are_read_from_a_sound_record(tmp_path, metrics, line):
    path = tmp_path / "pretrain.json"
    write_record(path, "pretrain", metrics, 0, {})
    with pytest.raises(InputError, match=rf"^{re.escape(str(path))}: .*{line}"):
        measured_invariance(path)
