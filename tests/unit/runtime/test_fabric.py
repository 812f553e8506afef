"""GPUs that torch cannot use, and several processes for the work of one, are refused."""

import pytest
import torch

from hdc.runtime import fabric, gpus
from hdc.runtime.errors import InputError
from hdc.runtime.fabric import start_fabric

DRIVERS = {
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02  Tue Jul 13 16:14:05": "470.57.02",
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  590.48.01  Release": "590.48.01",
}


@pytest.mark.parametrize("text", DRIVERS)
def test_gpus_that_torch_cannot_use_are_refused_with_both_versions(tmp_path, monkeypatch, text):
    (tmp_path / "version").write_text(f"{text}\nGCC version: 12\n")
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "gpus")
    monkeypatch.setattr(fabric, "claim_gpus", lambda _: ["0"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError) as error:
        start_fabric("32-true")
    words = str(error.value)
    assert f"torch {torch.__version__} is built for " in words
    assert f"the driver is {DRIVERS[text]}; install a torch for this driver, or set CUDA_" in words


def test_a_driver_that_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "gpus")
    assert gpus.driver_version() == "of a version that cannot be read"


def test_the_work_of_one_process_is_not_done_by_several(monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="expected one process, found WORLD_SIZE=2: this stage "):
        start_fabric("32-true")
