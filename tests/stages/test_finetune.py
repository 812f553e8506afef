import json

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from sklearn.utils.class_weight import compute_class_weight

from hdc.data.index import rows_by_part
from hdc.evaluation.classification import averaged
from hdc.objectives.supervised import label_weights
from hdc.runtime.errors import InputError
from hdc.study.record_rules import read_record

CHOICES = ("scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "ablation=hdc", "seed=0")


@pytest.fixture(scope="module")
def encoder(call, root, tiny, tmp_path_factory):
    """An encoder as initialized."""
    folder = tmp_path_factory.mktemp("encoder")
    words = (f"prepared={tiny}", "split=1", f"output_dir={folder}", "pretrain.batch_size=4")
    call("hdc.pretrain", *CHOICES, "pretrain.epochs=0", *words, cwd=root, check=True)
    return folder / "encoder.safetensors"


@pytest.fixture
def finetune(call, root, tiny, encoder):
    """Fine-tune into a folder; the record."""

    def run(output, *words):
        shared = (*CHOICES, f"prepared={tiny}", "split=1", f"encoder={encoder}")
        quick = ("finetune.batch_size=4", f"output_dir={output}")
        call("hdc.finetune", *shared, *quick, *words, cwd=root, check=True)
        return json.loads((output / "finetune.json").read_text())

    return run


def test_balanced_weights_are_sklearns():
    targets = np.array([0, 0, 0, 1, 1, 3])
    plain = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=targets)
    found = label_weights(targets, 5)
    assert found[[0, 1, 3]] == pytest.approx(plain)
    assert found[[2, 4]].tolist() == [0, 0]


def test_validation_videos_train_nothing_where_they_choose():
    index = pd.DataFrame({"video": list("abcd")})
    split = pd.DataFrame({"video": list("abcd"), "part": ["train", "val", "test", "train"]})
    chosen = rows_by_part(index, split, "here", validation_apart=True)
    assert chosen == {"train": [0, 3], "val": [1], "test": [2]}
    assert rows_by_part(index, split, "here", validation_apart=False) == {
        "train": [0, 1, 3],
        "test": [2],
    }
    with pytest.raises(InputError, match="here: expected usable val videos in the split, found"):
        rows_by_part(index[index.video != "b"], split, "here", validation_apart=True)


def test_the_best_epoch_is_the_one_with_the_least_validation_loss(finetune, tmp_path):
    record = finetune(
        tmp_path, "finetune.checkpoint=best_on_validation", "finetune.epochs=4",
        "finetune.learning_rate=0.3", "finetune.class_balanced=true",
    )  # fmt: skip
    losses = record["metrics"]["validation_loss"]
    assert len(losses) == 4
    assert record["metrics"]["best_epoch"] == 1 + int(np.argmin(losses))
    assert record["protocol"]["checkpoint"] == "epoch with the least loss on validation"
    assert record["protocol"]["trained_on"] == "train"


def test_any_average_follows_from_the_scores_of_the_clips(finetune, tmp_path):
    record = finetune(tmp_path, "finetune.crops=3", "finetune.average=logits")
    with safe_open(tmp_path / "clip_scores.safetensors", "numpy") as file:
        facts, scores = json.loads(file.metadata()["hdc"]), file.get_tensor("scores")
    assert scores.shape == (8, 2 * 3, 4)  # videos, clips by crops, labels
    table = pd.read_csv(tmp_path / "predictions.csv").set_index("video").loc[facts["videos"]]
    columns = [f"score_{label}" for label in facts["labels"]]
    assert table[columns].to_numpy() == pytest.approx(averaged(scores, "logits"), abs=1e-6)
    protocol = record["protocol"]
    assert protocol["averaging"] == "mean of logits"
    assert (protocol["clips_per_video"], protocol["crops_per_clip"]) == (2, 3)


def test_a_published_protocol_by_name(finetune, tmp_path):
    record = finetune(tmp_path, "protocol=vcop", "finetune.epochs=1")
    settings, protocol = record["settings"]["finetune"], record["protocol"]
    assert (settings["schedule"], settings["weight_decay"]) == ("constant", 0.0005)
    assert settings["augment"]["flip"] == 0.0
    assert (protocol["protocol"], protocol["averaging"]) == ("vcop", "mean of logits")


def test_the_same_seed_gives_the_same_predictions_with_dropout(finetune, tmp_path):
    """Dropout draws from torch's own generator, whose seed differs from process to process."""
    for name in ("one", "two"):
        finetune(tmp_path / name, "finetune.dropout=0.5")
    first, second = ((tmp_path / name / "predictions.csv").read_bytes() for name in ("one", "two"))
    assert first == second


@pytest.mark.parametrize("head", ["linear", "attentive"])
def test_a_frozen_encoder_is_judged_beside_its_controls(finetune, tmp_path, head):
    record = finetune(tmp_path, f"protocol=frozen_{head}")
    controls = record["metrics"]["controls"]
    assert list(controls) == ["still", "shuffled", "reversed"]
    assert all(scores.keys() == {"top1", "top5"} for scores in controls.values())
    assert record["protocol"]["trained"] == f"{head} head, frozen encoder"
    assert record["settings"]["finetune"]["frozen"]["head"] == head
    assert read_record(tmp_path / "finetune.json") == record
