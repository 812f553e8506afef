"""What docs/adding.md shows is run as it stands: files of one's own, and runs that name them."""

import json
import re

import pandas as pd
import pytest
import yaml

CHOICES = ("scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "seed=0", "split=1")
QUICK = ("pretrain.batch_size=4", "pretrain.epochs=1", "progress.log_every_steps=1")


@pytest.fixture
def written(root, workplace):
    """A place to work in with every file that the page shows; their names."""
    text = (root / "docs/adding.md").read_text()
    blocks = re.findall(r"```(?:python|yaml)\n# ([\w/]+\.\w+)\n(.*?)```", text, re.S)
    for name, body in blocks:
        path = workplace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)
    return [name for name, _ in blocks]


RUNS = {
    "distance": "temporal_layer4",
    "mirrored": "up_layer4",
    "colourless": "temporal_layer2",
}


def test_the_page_shows_what_is_run_here(written):
    runs = {name.split("/")[1].split(".")[0] for name in written if name.startswith("ablations/")}
    assert set(RUNS) | {"kinetics_labels", "image_imagenet"} == runs


def test_lists_of_the_page_are_read(written, call, workplace, make_video, moving_square, tmp_path):
    people = [(f"v{number}", "ab"[number % 2], "abcdef"[number // 2]) for number in range(12)]
    for name, label, _ in people:
        make_video(tmp_path / f"videos/{label}/{name}.mp4", moving_square(8))
    lines = [" ".join(row) for row in people]
    (tmp_path / "videos/list.txt").write_text("\n".join(lines))
    words = ("data=my_videos", f"folder={tmp_path / 'videos'}", f"output_dir={tmp_path / 'out'}")
    call("hdc.prepare", *words, cwd=workplace, check=True)
    split = pd.read_csv(tmp_path / "out/split1.csv").set_index("video").part
    assert split.value_counts().to_dict() == {"train": 4, "val": 4, "test": 4}
    assert set(split.index[split == "test"]) == {"v0", "v1", "v2", "v3"}


@pytest.mark.parametrize("run", RUNS)
def test_a_run_of_the_page_trains(run, written, call, workplace, tiny, tmp_path):
    output = tmp_path / "run"
    words = (*CHOICES, *QUICK, f"ablation={run}", f"prepared={tiny}", f"output_dir={output}")
    call("hdc.pretrain", *words, cwd=workplace, check=True)
    lines = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert lines and all(RUNS[run] in line for line in lines)
    record = json.loads((output / "pretrain.json").read_text())
    assert RUNS[run] in record["metrics"]["terms"]
    named = yaml.safe_load((workplace / f"ablations/{run}.yaml").read_text())
    assert named["about"]["question"].endswith("?")


def test_an_encoder_of_an_input_of_ones_own_is_judged_on_it(
    written, call, workplace, tiny, tmp_path
):
    run, names = tmp_path / "run", ("scale=smoke", "data=synthetic_smoke", "backbone=r3d18")
    words = (*CHOICES, *QUICK, "ablation=colourless", f"prepared={tiny}", f"output_dir={run}")
    call("hdc.pretrain", *words, cwd=workplace, check=True)
    encoder = run / "encoder.safetensors"
    words = (*names, "ablation=colourless", f"encoder={encoder}", f"prepared={tiny}")
    call("hdc.embed", *words, f"output_dir={tmp_path / 'e'}", cwd=workplace, check=True)
    assert (tmp_path / "e/features.safetensors").is_file()
    (workplace / "greyscale.py").unlink()
    done = call("hdc.embed", *words, f"output_dir={tmp_path / 'f'}", cwd=workplace)
    assert done.returncode == 1 and "a file in the working folder, got greyscale.g" in done.stderr
