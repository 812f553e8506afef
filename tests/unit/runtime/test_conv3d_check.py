import pytest
import torch

from hdc.runtime import conv3d_check
from hdc.runtime.conv3d_check import check_conv3d


def test_bf16_and_fp32_agree_on_the_processor():
    found = check_conv3d(torch.device("cpu"))
    assert 0 < found.forward_error < 0.01 and 0 < found.gradient_error < 0.01
    assert found.time_ratio > 0 and found.memory_ratio is None
    assert found.warning is None or "times as long" in found.warning


@pytest.mark.parametrize(
    ("measured", "warning"),
    [
        ((0.003, 0.003, 0.5, 0.6), None),
        ((0.003, float("nan"), 0.5, 0.6), "bf16 is off by nan% in its weight gradient; install a "),
        ((1.4, 0.003, 0.5, 0.6), "bf16 is off by 140.0% in its output; "),
        ((0.003, 0.003, 8.0, 3.0), "bf16 takes 8.0 times as long and takes 3.0 times the memory; "),
    ],
)
def test_what_is_warned_of_and_how_the_doctor_says_it(monkeypatch, measured, warning):
    from hdc.commands import doctor

    monkeypatch.setattr(conv3d_check, "_compare", lambda device: measured)
    device = torch.device("cpu", 0)
    well, line = doctor._convolution(device)
    if warning is None:
        assert check_conv3d(device).warning is None
        assert well and line.endswith(", 0.50 of the time, 0.60 of the memory")
    else:
        assert check_conv3d(device).warning.startswith(warning)
        assert not well and warning in line
