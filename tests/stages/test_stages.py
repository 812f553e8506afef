"""The stages on a tiny data set, one after the other, as Snakemake runs them."""

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from hdc import finetune as finetune_stage
from hdc import pretrain as pretrain_stage
from hdc.encoders.build import encoder_facts
from hdc.runtime.errors import InputError
from hdc.runtime.inputs import made_from
from hdc.settings.reads import EVALUATE_READS, FINETUNE_READS, PRETRAIN_READS

CHOICES = ("scale=smoke", "data=synthetic_smoke", "backbone=r3d18")
QUICK = ("pretrain.batch_size=4", "progress.log_every_steps=1")


@pytest.fixture(scope="module")
def pretrain(call, root, tiny, tmp_path_factory):
    def run(ablation="hdc", *words, seed=0, split="1"):
        output = tmp_path_factory.mktemp(ablation)
        if ablation == "hdc":
            words = ("pretrain.epochs=2", *words)
        done = call(
            "hdc.pretrain", *CHOICES, *QUICK, f"ablation={ablation}", f"seed={seed}",
            f"prepared={tiny}", f"split={split}", f"output_dir={output}", *words, cwd=root,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return output

    return run


@pytest.fixture(scope="module")
def hdc(pretrain):
    return pretrain()


@pytest.fixture(scope="module")
def judged(call, root, tiny, hdc):
    """Folder of the records of the split, with the features one above."""
    folder = hdc / "synthetic_smoke"
    shared = (f"prepared={tiny}", f"encoder={hdc}/encoder.safetensors", "ablation=hdc")
    split = ("split=1", "seed=0", f"output_dir={folder}/split1")
    quick = ("finetune.batch_size=4",)
    call("hdc.finetune", *CHOICES, *shared, *split, *quick, cwd=root, check=True)
    call("hdc.embed", *CHOICES, *shared, f"output_dir={folder}", cwd=root, check=True)
    features = f"features={folder}/features.safetensors"
    call("hdc.evaluate", *CHOICES[:2], *shared, *split, features, cwd=root, check=True)
    return folder / "split1"


def test_pretrain_writes_what_it_promises(hdc):
    names = {"encoder.safetensors", "pretrain.json", "videos.csv", "views.png", "config.yaml"}
    assert {path.name for path in hdc.iterdir()} >= names | {"log.jsonl"}
    assert not (hdc / "state").exists()
    record = json.loads((hdc / "pretrain.json").read_text())
    assert {
        "metrics", "settings", "protocol", "seed", "commit", "versions", "device", "seconds",
        "peak_memory_bytes",
    } <= set(record)  # fmt: skip
    assert record["metrics"]["steps"] == 8 and record["metrics"]["pretraining_videos"] == 16
    assert record["metrics"]["stored_videos_checked"] == 16  # all of the training part
    assert encoder_facts(hdc / "encoder.safetensors")["ablation"] == "hdc"


@pytest.mark.parametrize("stage", [pretrain_stage, finetune_stage])
def test_a_training_on_a_bad_disk_does_not_begin(stage, tiny, hdc, root, tmp_path, monkeypatch):
    prepared = shutil.copytree(tiny, tmp_path / "prepared")
    frames = prepared / "shards/0001-of-0001.bin"
    frames.write_bytes(bytes(frames.stat().st_size))
    words = [*CHOICES, *QUICK[:1], "ablation=hdc", "seed=0", "split=1"]
    words += [f"prepared={prepared}", f"output_dir={tmp_path / 'run'}"]
    if stage is finetune_stage:
        words = [word for word in words if word not in QUICK]
        words += ["finetune.batch_size=4", f"encoder={hdc}/encoder.safetensors"]
    monkeypatch.chdir(root)
    with pytest.raises(InputError, match=r"expected the frames that were prepared, found others"):
        stage.main(stage.STAGE.read(words))
    assert not list((tmp_path / "run").glob("*.json*"))


def test_the_log_has_every_term(hdc):
    lines = [json.loads(line) for line in (hdc / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))
    levels = ("layer2", "layer3", "layer4")
    for subtask in ("spatial", "temporal"):
        assert all(line[f"{subtask}_{level}"] > 0 for line in lines for level in levels)
        assert [lines[0][f"weight_{subtask}_{level}"] for level in levels] == [0.25, 0.5, 1.0]
    shares = [0.25, 0.5, 1.0, 0.25, 0.5, 1.0]
    terms = [f"{subtask}_{level}" for subtask in ("spatial", "temporal") for level in levels]
    mean = np.average([lines[3][term] for term in terms], weights=shares)
    assert lines[3]["loss"] == pytest.approx(mean, rel=1e-5)


def test_the_same_seed_gives_the_same_bytes(pretrain, hdc):
    again = pretrain()
    first = (hdc / "encoder.safetensors").read_bytes()
    assert first == (again / "encoder.safetensors").read_bytes()
    assert first != (pretrain(seed=1) / "encoder.safetensors").read_bytes()


def test_runs_of_one_seed_start_from_the_same_encoder(pretrain):
    """Whatever the objective, and random_init is that start."""
    start = load_file(pretrain("random_init") / "encoder.safetensors")
    coupled = pretrain("coupled_single_level", "pretrain.epochs=0")
    assert all(np.array_equal(start[name], table) for name, table in load_file(
        coupled / "encoder.safetensors").items())  # fmt: skip


def test_pretraining_never_sees_the_test_part(hdc, tiny):
    seen = pd.read_csv(hdc / "videos.csv").video
    split = pd.read_csv(tiny / "split1.csv")
    assert set(seen) == set(split.video[split.part != "test"])


def test_finetune_predicts_every_test_video(judged, tiny):
    split = pd.read_csv(tiny / "split1.csv")
    predictions = pd.read_csv(judged / "predictions.csv")
    assert predictions.video.tolist() == split.video[split.part == "test"].tolist()
    record = json.loads((judged / "finetune.json").read_text())
    assert record["metrics"]["top1"] == (predictions.predicted == predictions.label).mean()
    assert record["protocol"]["test_videos"] == 8
    scores = predictions.filter(like="score_")
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_features_have_a_row_a_video(judged, tiny):
    features = load_file(judged.parent / "features.safetensors")
    sizes = {"layer2": 8, "layer3": 16, "layer4": 32}
    expected = {
        f"{level}{suffix}": (24, size)
        for level, size in sizes.items()
        for suffix in ("", ".still", ".shuffled", ".reversed", ".swapped")
    }  # no clips of several strides: 24 frames are too few
    expected["layer4.spatial_max"] = (24, 32 * 2)  # two time steps of a single place
    assert {name: table.shape for name, table in features.items()} == expected
    assert all(table.dtype == np.float32 for table in features.values())


def test_evaluate_judges_every_level_and_factor(judged):
    record = json.loads((judged / "evaluate.json").read_text())
    assert record["metrics"]["levels"] == ["layer2", "layer3", "layer4"]
    for level in record["metrics"]["levels"]:
        assert set(record["metrics"]["retrieval"][level]) == {"r1", "r5", "r10", "r20", "r50"}
        assert {"label", "shape", "motion", "speed"} <= set(record["metrics"]["linear"][level])
        assert set(record["metrics"]["left_out"][level]) == {"shape", "motion"}
    assert set(record["metrics"]["few_labels"]["layer4"]) == {"1%", "5%", "10%", "10 videos"}
    assert len(pd.read_csv(judged / "outcomes.csv")) == 8
    assert len(pd.read_csv(judged / "map.csv")) == 8
    timed = record["metrics"]["time_probes"]
    assert {tuple(timed[level]) for level in timed} == {("direction", "order")}
    speed = record["metrics"]["time_videos"]["speed"]
    assert (speed["drawn"], speed["too_short"], speed["tested"]) == (24, 24, 0)
    videos = record["metrics"]["videos"]
    assert videos["test"] == 8 and sum(videos[part] for part in ("train", "val", "test")) == 24
    assert videos["rejected"] == {}
    assert (judged / "neighbors.png").read_bytes().startswith(b"\x89PNG")


def test_every_stage_says_which_settings_and_files_it_was_made_from(judged, hdc, tiny):
    """Planning compares them with those of today."""
    lists = [f"{tiny}/{name}" for name in ("index.csv", "store.json", "listed.csv")]
    encoder, features = f"{hdc}/encoder.safetensors", f"{judged.parent}/features.safetensors"
    with safe_open(features, "numpy") as file:
        facts = json.loads(file.metadata()["hdc"])
    embedded = facts["inputs"]
    assert len(facts["settings"]) == 16 and embedded == made_from(*lists, encoder)
    lists.append(f"{tiny}/split1.csv")
    for path, read, nodes in (
        (hdc / "pretrain.json", lists, PRETRAIN_READS),
        (judged / "finetune.json", [*lists, encoder], FINETUNE_READS),
        (judged / "evaluate.json", [*lists, encoder, features], EVALUATE_READS),
    ):
        record = json.loads(path.read_text())
        assert record["inputs"] == made_from(*read), path
        assert set(nodes) <= set(record["settings"])


def test_an_encoder_pretrained_on_everything_is_refused(call, root, tiny, pretrain, tmp_path):
    encoder = pretrain("random_init", split="") / "encoder.safetensors"
    done = call(
        "hdc.finetune", *CHOICES, "ablation=hdc", f"prepared={tiny}", f"encoder={encoder}",
        "split=1", "seed=0", f"output_dir={tmp_path}", cwd=root,
    )  # fmt: skip
    assert done.returncode == 1
    assert "expected an encoder that saw no test video, found 8 of 8" in done.stderr


@pytest.mark.parametrize("stage", ["evaluate", "report", "prepare"])
def test_short_stages_never_import_torch(call, root, stage):
    code = f"import hdc.{stage}, sys; sys.exit('torch' in sys.modules)"
    call(sys.executable, "-c", code, cwd=root, check=True)
