import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_network_agrees_with_float64(precision):
    from hdc.encoders.build import build_encoder
    from hdc.training.soundness import check_layers

    encoder = build_encoder({"_target_": "hdc.backbones.resnet3d.r3d18", "width": 0.25}, seed=0)
    found = check_layers(
        encoder, (24, 3, 16, 56, 56), device=torch.device("cuda"), precision=precision
    )
    print(found)
    assert found.problem is None and found.layers > 10 and found.error > 0


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_gradient_that_is_not_finite_reaches_no_weight(tmp_path, optimizer):
    """The step is looked at one step later, and until then nothing may have moved."""
    from toy_task import ToyTask, take_step

    from hdc.runtime.errors import InputError
    from hdc.runtime.fabric import start_fabric
    from hdc.settings.schema import Optimization, Progress
    from hdc.training.trainer import Training

    settings = Optimization(
        epochs=1, batch_size=2, optimizer=optimizer, learning_rate=0.1, momentum=0.9,
        weight_decay=0.1, warmup_epochs=0.0, schedule="constant", precision="32-true",
        compile=False, deterministic=False,
    )  # fmt: skip
    progress = Progress(4, save_every_minutes=5.0, workers=0, devices=1, tensorboard=False)
    training = Training(
        ToyTask(), settings, progress, fabric=start_fabric("32-true"), epochs=1,
        steps_per_epoch=8, folder=tmp_path, name="settings", log_name="log.jsonl",
    )  # fmt: skip

    factor = [1.0]

    def scale_gradient(_, __, output):
        output.register_hook(lambda gradient: gradient * factor[0])

    training.task.encoder.register_forward_hook(scale_gradient)

    def step(scale):
        factor[0] = scale
        take_step(training, torch.ones(2, 3, device="cuda"))
        return [weight.detach().clone() for weight in training.model.parameters()]

    first, second = step(1.0), step(1.0)
    assert not any(map(torch.equal, first, second))
    assert all(map(torch.equal, second, step(float("nan"))))
    with pytest.raises(InputError, match=r"got a gradient that is not at step 2 .*; the first was"):
        step(1.0)
