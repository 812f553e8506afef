"""Synchronized norms compute what the plain ones did, activations inside them included."""

import pytest
import torch
from torch import nn

from hdc.backbones.resnet3d import r3d18
from hdc.backbones.timm2plus1d import timm2plus1d
from hdc.training.synchronized_norms import with_synchronized_norms


def timm(model):
    return timm2plus1d(model=model, pretrained=False, width=0.5)


@pytest.mark.parametrize(
    "build",
    [lambda: timm("test_efficientnet"), lambda: timm("test_resnet"), lambda: r3d18(width=0.0625)],
    ids=["efficientnet", "resnet", "r3d18"],
)
def test_outputs_are_those_of_before(build):
    torch.manual_seed(0)
    network, clips = build().eval(), torch.randn(2, 3, 8, 32, 32)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()  # so that an activation that is lost shows
    with torch.no_grad():
        before = {name: table.clone() for name, table in network(clips).items()}
        network = with_synchronized_norms(network)
        after = network(clips)
    norms = [x for x in network.modules() if isinstance(x, nn.modules.batchnorm._BatchNorm)]
    assert norms and all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)
    for name, table in before.items():
        torch.testing.assert_close(after[name], table)
