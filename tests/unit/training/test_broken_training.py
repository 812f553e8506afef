"""Both stages that train refuse a precision that is wrong, and say where numbers broke."""

import pytest
import torch

import hdc.training.soundness
from hdc import finetune, pretrain
from hdc.runtime.errors import InputError
from hdc.training.soundness import LayersCheck


@pytest.fixture(params=["pretrain", "finetune"])
def train(request, tiny, bring, saved, weights, tmp_path, monkeypatch):
    """Run a stage in this process, with changes of its own node."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    stage = request.param
    words = [
        "scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "ablation=hdc", "seed=0",
        f"prepared={tiny}", "split=1", f"output_dir={tmp_path / 'run'}", f"{stage}.batch_size=4",
    ]  # fmt: skip
    words.append("measured=" if stage == "pretrain" else f"encoder={bring(saved(weights))}")

    def run(**changes):
        module = {"pretrain": pretrain, "finetune": finetune}[stage]
        own = [f"{stage}.{key}={value}" for key, value in changes.items()]
        module.main(module.STAGE.read([*words, *own]))

    run.stage, run.folder = stage, tmp_path / "run"
    return run


def test_a_precision_that_is_wrong_is_refused_before_anything_is_trained(train, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("a GPU trains here")
    shapes = []

    def check(network, clips, *, device, precision, call):
        shapes.append(clips)
        return LayersCheck(3, 0.0, "layer4 is off")

    monkeypatch.setattr(hdc.training.soundness, "check_layers", check)
    words = (
        rf"{train.stage}\.precision: expected bf16-mixed .* found layer4 is off; set it to 32-true"
    )
    with pytest.raises(InputError, match=words):
        train(precision="bf16-mixed")
    views = {"pretrain": 3, "finetune": 1}[train.stage]
    assert shapes == [(4 * views, 3, 16, 16, 16)]
    assert not train.folder.exists()


def test_a_rate_that_is_too_high_is_blamed_and_the_first_tensor_named(train):
    with pytest.raises(InputError) as error:
        train(learning_rate=1e30, warmup_epochs=0, epochs=3)
    text = str(error.value)
    assert text.startswith("expected a finite loss and finite gradients, got ")
    assert "; the first was " in text and text.endswith("; lower the learning rate")
