"""What docs/encoders.md shows is run as it stands, from a folder with a run and some videos."""

import re
import shlex

import numpy as np
import pandas as pd

QUICK = ("scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "ablation=hdc", "seed=0")
SMALL = ("pretrain.batch_size=4", "pretrain.epochs=1", "progress.log_every_steps=1", "split=1")


def blocks(root, kind):
    text = (root / "docs/encoders.md").read_text()
    return re.findall(rf"```{kind}\n(.*?)```", text, re.S)


def test_the_page_s_commands_and_code_run(
    root, call, tiny, make_video, moving_square, tmp_path, monkeypatch
):
    words = (*QUICK, *SMALL, f"prepared={tiny}", f"output_dir={tmp_path / 'runs/hdc'}")
    call("hdc.pretrain", *words, cwd=root, check=True)
    for number, label in enumerate(["walk", "walk", "run"]):
        frames = moving_square(20, seed=number)
        make_video(tmp_path / f"my_videos/{label}/{number}.mp4", frames)
    for command in blocks(root, "bash"):
        call(*shlex.split(command), cwd=tmp_path, check=True)
    assert pd.read_parquet(tmp_path / "labelled.parquet").label.tolist() == ["run", "walk", "walk"]
    assert (tmp_path / "neighbors.html").is_file() and (tmp_path / "my_encoder/README.md").is_file()
    monkeypatch.chdir(tmp_path)
    names = {"frames": np.stack([moving_square(16)])}
    for code in blocks(root, "python"):
        exec(code, names)
    assert names["vectors"].shape == (3, 32) and list(names["features"]) == list(
        names["encoder"].levels
    )
