import pytest
import torch

from hdc.data.batches import ClipBatch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_moved_clips_are_the_same():
    from hdc.data.prefetch import on_device

    clips = torch.randint(0, 256, (8, 16, 128, 171, 3), dtype=torch.uint8)
    device = torch.device("cuda")
    stream = torch.cuda.Stream(device)
    for _ in range(5):
        moved = on_device(lambda: {"a": ClipBatch([0], [0], (clips,), [])}, device, stream)["a"]
        assert moved.parts[0].device.type == "cuda"
        assert torch.equal(moved.parts[0].cpu(), clips)
