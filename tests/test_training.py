import json

import pytest
import torch
from torch import nn

from hdc.errors import InputError
from hdc.settings import Optimization, Progress
from hdc.training import Training, learning_rate, start_fabric

SETTINGS = Optimization(
    epochs=3, batch_size=2, optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.01,
    warmup_epochs=1.0, precision="32-true",
)  # fmt: skip
STEPS = 4


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def make(name="settings", save_every_minutes=60.0):
        torch.manual_seed(0)
        training = Training(
            nn.Linear(3, 1),
            SETTINGS,
            Progress(log_every_steps=2, save_every_minutes=save_every_minutes),
            fabric=start_fabric("32-true"),
            epochs=SETTINGS.epochs,
            steps_per_epoch=STEPS,
            folder=tmp_path,
            name=name,
            log_name="log.jsonl",
        )
        return training

    return make


def train(training, stop_at=None):
    """Steps on data that depend on the epoch and the step alone."""
    for epoch, first in training.epochs():
        for step in range(first, STEPS):
            if training.step == stop_at:
                return training
            random = torch.Generator().manual_seed(100 * epoch + step)
            inputs = torch.randn(2, 3, generator=random)
            loss = (training.model(inputs) - 1).square().mean()
            training.update(loss, clips=2, term=loss)
    return training


def weights(training):
    return torch.cat([weight.detach().flatten() for weight in training.model.parameters()])


@pytest.mark.parametrize("stop_at", [1, 4, 6, 11])
def test_a_resumed_run_is_the_undisturbed_one(start, stop_at, tmp_path):
    whole = weights(train(start("undisturbed")))
    first = train(start(), stop_at)
    first.save()
    again = start()
    assert again.step == stop_at
    assert torch.equal(weights(train(again)), whole)
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)) and steps[-1] == 3 * STEPS


def test_lines_past_the_resumed_step_are_cut(start, tmp_path):
    training = train(start(), stop_at=5)
    training.save()
    train(training, stop_at=9)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 99')  # what a killed process leaves
    start()
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4]


def test_other_settings_start_afresh_and_say_so(start, capsys):
    train(start("old"), stop_at=5).save()
    assert start("new").step == 0
    assert "settings changed: starting afresh" in capsys.readouterr().out
    assert start("old").step == 5


def test_state_is_saved_by_time_and_removed_at_the_end(start, tmp_path):
    training = train(start(save_every_minutes=1e-9), stop_at=3)
    assert start().step == 2  # the last step that ended a line of the log
    train(training).finish()
    assert not (tmp_path / "state").exists()


def test_a_loss_that_is_not_finite_stops_the_run(start):
    training = start()
    with pytest.raises(InputError, match=r"expected a finite loss, got nan at step 0 .*'term'"):
        training.update(torch.tensor(float("nan"), requires_grad=True), clips=2, term=1.0)


def test_the_log_holds_means_of_its_steps(start, tmp_path):
    training = start()
    for value in (1.0, 3.0):
        loss = training.model(torch.ones(1, 3)).sum() * 0 + value
        training.update(loss, clips=2, spatial_layer4=2 * value)
    line = json.loads((tmp_path / "log.jsonl").read_text())
    assert line["step"] == 2 and line["epoch"] == 0.5
    assert line["loss"] == 2.0 and line["spatial_layer4"] == 4.0
    assert {"learning_rate", "clips_per_second", "data_wait_share", "peak_memory_bytes"} <= set(
        line
    )


def test_learning_rate_by_hand():
    rates = [learning_rate(step, SETTINGS, STEPS, 3 * STEPS) for step in range(3 * STEPS)]
    assert rates[:4] == pytest.approx([0.02, 0.04, 0.06, 0.08])
    assert rates[4] == pytest.approx(0.1)  # the peak, after one epoch of warm-up
    assert rates[8] == pytest.approx(0.05)  # half-way down
    assert 0 < rates[11] < 0.005
