from types import SimpleNamespace

import jaxtyping
import pytest

from hdc.training import assembly


@pytest.fixture(autouse=True)
def untyped():
    """Stand-ins are not of the types that tests check elsewhere."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize(
    ("precision", "expected"), [("32-true", "settings"), ("bf16-mixed", "settings-bf16-mixed")]
)
def test_a_state_is_that_of_the_precision_that_auto_came_to(monkeypatch, precision, expected):
    """On a machine without bf16 no training goes on that began in it."""
    monkeypatch.setattr(assembly, "precision_name", lambda fabric: precision)
    monkeypatch.setattr(assembly, "Training", lambda task, *told, **named: named["name"])
    told = {"settings": None, "progress": None, "fabric": None, "folder": None}
    batches, names = SimpleNamespace(steps_per_epoch=1), {"name": "settings", "log_name": ""}
    found = assembly.start_training(None, batches, stage="pretrain", epochs=0, **told, **names)
    assert found == expected
