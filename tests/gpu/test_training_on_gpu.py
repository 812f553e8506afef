import json

import pytest
import torch
from toy_task import ToyTask, take_step

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_a_line_that_a_stop_cut_in_two_is_the_undisturbed_one(tmp_path):
    """What a state holds of it lies on the processor, what is added to it on the GPU."""
    from hdc.runtime.fabric import start_fabric
    from hdc.settings.schema import Optimization, Progress
    from hdc.training.trainer import Training

    settings = Optimization(
        epochs=1, batch_size=2, optimizer="sgd", learning_rate=0.1, momentum=0.9,
        weight_decay=0.0, warmup_epochs=0.0, schedule="cosine", precision="32-true", compile=False,
        deterministic=False,
    )  # fmt: skip
    progress = Progress(4, save_every_minutes=5.0, workers=0, devices=1, tensorboard=False)

    def train(name, stop_at=None):
        torch.manual_seed(0)
        training = Training(
            ToyTask(), settings, progress, fabric=start_fabric("32-true"), epochs=1,
            steps_per_epoch=8, folder=tmp_path, name=name, log_name="log.jsonl",
        )  # fmt: skip
        while training.step < 8:
            if training.step == stop_at:
                training.save()
                return
            take_step(training, torch.full((2, 3), float(training.step), device="cuda"))

    def losses():
        return [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").open()]

    train("whole")
    whole = losses()
    train("stopped", stop_at=3)
    train("stopped")
    assert losses() == whole
