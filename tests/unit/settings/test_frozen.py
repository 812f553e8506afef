"""What a protocol says of a head on a frozen encoder; runs without one stay as they were."""

import pytest

from hdc.runtime.errors import InputError
from hdc.settings.compose import compose_run, settings_text, typed
from hdc.settings.reads import FINETUNE_READS

RUN = {"backbone": "r3d18", "data": "synthetic", "scale": "demo"}


@pytest.mark.parametrize(
    ("protocol", "optimizer", "rate"),
    [("frozen_attentive", "adamw", 0.001), ("frozen_linear", "sgd", 0.1)],
)
def test_a_head_learns_by_its_protocol_as_long_as_the_scale_says(protocol, optimizer, rate):
    [finetune] = typed(compose_run("hdc", **RUN, protocol=protocol), "finetune")
    used = finetune.in_force
    assert (used.optimizer, used.learning_rate, used.warmup_epochs) == (optimizer, rate, 0.0)
    assert (used.epochs, used.batch_size) == (4, 32)
    assert finetune.learning_rate == 0.05  # the scale's, of the whole network


def test_without_a_frozen_encoder_nothing_is_said_of_one():
    run = compose_run("hdc", **RUN)
    assert "frozen" not in settings_text(run, FINETUNE_READS)
    [finetune] = typed(run, "finetune")
    assert finetune.in_force is finetune


@pytest.mark.parametrize(
    ("protocol", "override", "message"),
    [
        ("frozen_linear", "frozen.attention_heads=2", "expected null beside a linear head, got 2"),
        ("frozen_attentive", "frozen.attention_heads=null", "expected 1 or more, got None"),
        ("frozen_attentive", "frozen.head=deep", "expected one of linear, attentive, got deep"),
        ("frozen_linear", "checkpoint=best_on_validation", "expected last beside finetune.frozen"),
        ("ours", "frozen.head=linear", "expected a value, got none"),
    ],
)
def test_what_does_not_fit_is_refused(protocol, override, message):
    with pytest.raises(InputError, match=message):
        compose_run("hdc", **RUN, protocol=protocol, overrides=[f"finetune.{override}"])
