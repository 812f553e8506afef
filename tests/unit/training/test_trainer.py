import gc
import itertools
import json
import signal
import sys
import types
from functools import partial

import pytest
import torch
from toy_task import ToyTask, take_step

from hdc.objectives.pretext_task import TaskLoss, TermLoss
from hdc.runtime.errors import InputError
from hdc.runtime.fabric import start_fabric
from hdc.runtime.signals import Stopped
from hdc.settings.schema import Optimization, Progress
from hdc.training.nonfinite import Unchecked
from hdc.training.optimizer import learning_rate
from hdc.training.trainer import Training

SETTINGS = Optimization(
    epochs=3, batch_size=2, optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.01,
    warmup_epochs=1.0, precision="32-true", compile=False, deterministic=False,
)  # fmt: skip
STEPS = 4


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def make(name="settings", save_every_minutes=60.0, tensorboard=False):
        torch.manual_seed(0)
        training = Training(
            ToyTask(),
            SETTINGS,
            Progress(
                log_every_steps=2,
                save_every_minutes=save_every_minutes,
                workers=0,
                devices=1,
                tensorboard=tensorboard,
            ),
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
    for numbers in training.batches(of_epoch, workers=0):
        if training.step == stop_at:
            return training
        take_step(training, numbers)
    return training


def of_epoch(epoch, first):
    """What makes two rows of three numbers for each step."""

    def make(step):
        random = torch.Generator().manual_seed(100 * epoch + step)
        return torch.randn(2, 3, generator=random)

    return [partial(make, step) for step in range(first, STEPS)]


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


def test_state_is_saved_by_time_and_removed_at_the_end(start, tmp_path, monkeypatch):
    monkeypatch.setattr("hdc.training.trainer.SAVING_SHARE", 1e9)  # whatever it costs
    training = train(start(save_every_minutes=1e-9), stop_at=3)
    assert start().step == 3
    train(training).finish()
    assert not (tmp_path / "state").exists()


def test_a_loss_that_is_not_finite_stops_the_run(start):
    training = start()
    nan = torch.tensor(float("nan"), requires_grad=True)
    with pytest.raises(InputError) as error:
        one = torch.tensor(1.0)
        terms = [
            TermLoss("spatial", "layer3", one, weight=one, invariance=nan),
            TermLoss("temporal", "layer4", nan, weight=one, invariance=one),
        ]
        training.update(TaskLoss(nan, terms, {}), clips=2)
    text = str(error.value)
    assert text.startswith("expected a finite loss and finite gradients, got nan at step 0 with ")
    assert "learning rate 0.02; terms that are not finite: temporal at level layer4; " in text


def test_no_state_is_saved_after_a_loss_that_is_not_finite(start):
    """As on a GPU, where a loss is looked at one step later."""
    training = train(start(), stop_at=3)
    training.save()
    shown = {"loss": torch.tensor(float("inf"))}
    training.unchecked = Unchecked(3, 0.1, shown, (), torch.tensor(True), again=None)
    with pytest.raises(InputError, match=r"expected a finite loss .*, got inf at step 3"):
        training.save()
    assert start().step == 3


def test_the_log_holds_means_of_its_steps(start, tmp_path):
    training = start()
    for value in (1.0, 3.0):
        loss = training.task.encoder(torch.ones(1, 3)).sum() * 0 + value
        terms = [TermLoss("spatial", "layer4", 2 * loss, weight=loss - 0.5, invariance=loss / 10)]
        training.update(TaskLoss(loss, terms, {}), clips=2)
    line = json.loads((tmp_path / "log.jsonl").read_text())
    assert line["step"] == 2 and line["epoch"] == 0.5
    assert line["steps"] == 3 * STEPS
    seconds = 2 * 2 / line["clips_per_second"]  # of both steps, two clips each
    assert line["seconds_left"] == pytest.approx((line["steps"] - 2) * seconds / 2, abs=0.1)
    assert line["loss"] == 2.0 and line["spatial_layer4"] == 4.0
    assert line["weight_spatial_layer4"] == 1.5
    assert line["invariance_spatial_layer4"] == pytest.approx(0.2)
    assert {"learning_rate", "clips_per_second", "data_wait_share", "peak_memory_bytes"} <= set(
        line
    )


def test_speed_is_of_training_alone(start, tmp_path, monkeypatch):
    """Minutes before the first step, and after the last, are none of it."""
    now = [1000.0]
    for module in ("training.trainer", "training.log"):
        monkeypatch.setattr(f"hdc.{module}.time.monotonic", lambda: now[0])
    training = start()
    now[0] += 300
    for numbers in training.batches(of_epoch, workers=0):
        now[0] += 0.5
        take_step(training, numbers)
    now[0] += 300
    assert training.clips_per_second() == 4.0
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {line["clips_per_second"] for line in lines} == {4.0}


def test_a_first_state_that_was_never_whole_is_not_called_other_settings(start, tmp_path, capsys):
    (tmp_path / "state/settings").mkdir(parents=True)
    (tmp_path / "state/settings/.1.pt.tmp").write_bytes(b"half")
    start()
    assert "settings changed" not in capsys.readouterr().out


def test_learning_rate_by_hand():
    rates = [learning_rate(step, SETTINGS, STEPS, 3 * STEPS) for step in range(3 * STEPS)]
    assert rates[:4] == pytest.approx([0.02, 0.04, 0.06, 0.08])
    assert rates[4] == pytest.approx(0.1)  # the peak, after one epoch of warm-up
    assert rates[8] == pytest.approx(0.05)  # half-way down
    assert 0 < rates[11] < 0.005


def test_a_line_that_a_stop_cut_in_two_is_the_undisturbed_one(start, tmp_path):
    """Lines are means over two steps; stopped after the third, the second line is of 3 and 4."""

    def values():
        lines = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
        return [(line["step"], line["loss"], line["learning_rate"]) for line in lines]

    train(start("undisturbed"))
    whole = values()
    train(start(), stop_at=3).save()
    train(start())
    assert values() == whole


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_ends_the_step_saves_and_stops(start, number):
    training = start()
    earlier = signal.getsignal(number)
    with pytest.raises(Stopped, match=f"by {number.name} after step 6 of 12; the state is saved"):
        for numbers in training.batches(of_epoch, workers=0):
            if training.step == 5:
                signal.raise_signal(number)
            take_step(training, numbers)
    gc.collect()
    assert signal.getsignal(number) == earlier
    again = start()
    assert again.step == 6
    assert torch.equal(weights(train(again)), weights(train(start("undisturbed"))))


def test_states_at_the_ends_of_epochs_cost_next_to_nothing(start, monkeypatch):
    """A state that takes a second is saved again after a hundred."""
    training = start()
    saved, now = [], [1000.0]
    monkeypatch.setattr("hdc.training.trainer.time.monotonic", lambda: now[0])
    monkeypatch.setattr(
        "hdc.training.trainer.write_state", lambda *_: saved.append(training.step) or 1.0
    )
    training.saved_at = training.log.since = now[0]
    for seconds in (10.0, 50.0, 60.0):  # an epoch each
        for _ in range(STEPS):
            now[0] += seconds / STEPS
            take_step(training, torch.ones(2, 3))
    assert saved == [4, 12]


def test_ten_minutes_are_the_most_that_is_lost(start, monkeypatch):
    """Also where a state takes an hour to write."""
    training = start(save_every_minutes=5.0)
    saved, now = [], [1000.0]
    monkeypatch.setattr("hdc.training.trainer.time.monotonic", lambda: now[0])
    monkeypatch.setattr(
        "hdc.training.trainer.write_state", lambda *_: saved.append(now[0]) or 3600.0
    )
    training.saved_at = training.log.since = now[0]
    for _ in range(3 * STEPS):
        now[0] += 301
        take_step(training, torch.ones(2, 3))
    assert saved[0] == 1301 and all(b - a == 602 for a, b in itertools.pairwise(saved))


def test_a_minute_passes_between_lines_for_people(start, capsys, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("hdc.training.log.time.monotonic", lambda: now[0])
    training = start()
    for _ in range(3 * STEPS):
        now[0] += 20
        take_step(training, torch.ones(2, 3))
    printed = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert printed == ["2/12", "6/12", "10/12", "12/12"]


def test_event_files_for_tensorboard_need_its_package(start, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="expected the package tensorboard, found none; python"):
        start(tensorboard=True)


def test_event_files_hold_the_lines(start, monkeypatch, tmp_path):
    written = []

    class Writer:
        def __init__(self, folder):
            written.append(folder)

        def add_scalar(self, name, value, step):
            written.append((name, step))

        def close(self):
            written.append("closed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    train(start(tensorboard=True)).finish()
    assert written[0] == str(tmp_path / "log.jsonl.events") and written[-1] == "closed"
    assert ("loss", 12) in written and ("term", 2) in written


def test_batches_are_made_ahead_over_the_end_of_an_epoch(start):
    """The first batches of an epoch are under way before the last step of the one before."""
    training, asked = start(), []

    def noted(epoch, first):
        for step, task in enumerate(of_epoch(epoch, first), start=first):
            asked.append((epoch, step))
            yield task

    for numbers in training.batches(noted, workers=2):
        take_step(training, numbers)
        if training.step == STEPS:
            assert (1, 0) in asked
    assert asked == [(epoch, step) for epoch in range(3) for step in range(STEPS)]


def test_frozen_weights_are_left_to_no_optimizer(monkeypatch):
    from hdc.runtime.fabric import start_fabric
    from hdc.training.optimizer import build_optimizer

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    task = ToyTask()
    task.encoder[1].bias.requires_grad_(False)
    optimizer = build_optimizer(task, SETTINGS, start_fabric("32-true"))
    [group] = optimizer.param_groups
    assert [id(weight) for weight in group["params"]] == [id(task.encoder[1].weight)]
