import pytest
import torch

from hdc.runtime.conv3d_check import check_conv3d

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_bf16_is_right_fast_and_small():
    found = check_conv3d(torch.device("cuda", 0))
    print(found)
    # A GPU without bf16 of its own imitates it, slowly: the warning is then the truth.
    if torch.cuda.get_device_properties(0).major < 8 and torch.version.hip is None:
        pytest.skip(f"a GPU without bf16 of its own: {found}")
    assert found.memory_ratio is not None
    assert found.warning is None, found
