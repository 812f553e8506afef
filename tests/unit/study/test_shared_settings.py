"""A study's settings reach every run, as Snakemake compares them and as stages are told them."""

import pytest

from hdc.finetune import STAGE as FINETUNE
from hdc.pretrain import STAGE as PRETRAIN
from hdc.runtime.errors import InputError
from hdc.settings.compose import settings_text
from hdc.settings.reads import FINETUNE_READS, PRETRAIN_READS
from hdc.settings.stage import OF_STUDY
from hdc.study.shared_settings import as_words
from hdc.study.study import Study

SETTINGS = {
    "pretrain.epochs": 7,
    "pretrain.learning_rate": 0.5,
    "augment.crop_area": [0.5, 1.0],
    "finetune.average": "probabilities",
    "clip.maximum_distance": None,
}
CONFIG = {
    "study": "mine",
    "scale": "smoke",
    "pretrain_on": "same",
    "evaluate_on": {"synthetic_smoke": [1]},
    "backbones": ["r3d18"],
    "ablations": ["hdc", "random_init", "coupled_longer"],
    "seeds": [0],
}


@pytest.fixture
def study(root, monkeypatch):
    monkeypatch.chdir(root)
    return Study.read(CONFIG | {"settings": SETTINGS})


def test_every_run_has_them_and_its_own_file_wins(study):
    hdc, untrained = (study.compose("r3d18", run, "synthetic_smoke") for run in study.ablations[:2])
    assert (hdc.pretrain.epochs, untrained.pretrain.epochs) == (7, 0)
    assert hdc.pretrain.learning_rate == untrained.pretrain.learning_rate == 0.5
    assert hdc.clip.maximum_distance is None and list(hdc.augment.crop_area) == [0.5, 1.0]
    assert '"pretrain.epochs": 7' in study.plan()


PRETRAINING = ("seed=0", "prepared=p", "output_dir=o", "split=1", "scale=smoke")
FINE_TUNING = (*PRETRAINING, "encoder=e")


@pytest.mark.parametrize(
    ("stage", "reads", "words"),
    [(PRETRAIN, PRETRAIN_READS, PRETRAINING), (FINETUNE, FINETUNE_READS, FINE_TUNING)],
)
@pytest.mark.parametrize("run", CONFIG["ablations"])
def test_a_stage_is_told_what_snakemake_compares(study, stage, reads, words, run):
    given = [f"{OF_STUDY}{word}" for word in as_words(study.settings, (*reads, "progress"))]
    assert given
    named = ("data=synthetic_smoke", "backbone=r3d18", f"ablation={run}")
    job = stage.read([*words, *named, *given])
    assert job.settings_text == settings_text(study.compose("r3d18", run, "synthetic_smoke"), reads)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"store.short_side": 64}, "settings: store.short_side: expected nothing of store"),
        ({"pretrain": 3}, "settings: expected <node>.<key> with a node of clip, objective"),
        ({"pretrain.epoch": 3}, "settings: pretrain.epoch: expected one of "),
        ({"pretrain.epochs": "many"}, "settings: pretrain.epochs: Value 'many'"),
        ({"pretrain.batch_size": -1}, "settings: pretrain.batch_size: expected at least 2 videos"),
    ],
)
def test_wrong_ones_are_refused_in_one_line(root, monkeypatch, settings, words):
    monkeypatch.chdir(root)
    with pytest.raises(InputError) as refused:
        Study.read(CONFIG | {"settings": settings})
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("choice", ["scale", "backbone", "protocol"])
def test_files_of_ones_own_are_found(root, tmp_path, monkeypatch, choice):
    from hdc.settings.compose import CONF, compose_run, forget_composed

    ours = {"scale": "smoke", "backbone": "r3d18", "protocol": "ours"}
    own = tmp_path / "config" / choice / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text((CONF / choice / f"{ours[choice]}.yaml").read_text())
    (tmp_path / "ablations").symlink_to(root / "ablations")
    monkeypatch.chdir(tmp_path)
    forget_composed()
    run = compose_run("hdc", data="synthetic_smoke", **(ours | {choice: "mine"}))
    assert run == compose_run("hdc", data="synthetic_smoke", **ours)
    forget_composed()
