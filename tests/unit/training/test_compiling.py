"""What `compile` compiles is one graph: nothing in it goes back to Python.

Captured, not translated: the translation takes minutes and is torch's own.
"""

import jaxtyping
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from hdc.data.augment import Steps, changed
from hdc.data.draws import draw, packed
from hdc.encoders.build import build_encoder
from hdc.settings.compose import compose_run, plain, typed
from hdc.settings.files import allowed


@pytest.fixture(autouse=True)
def untyped():
    """As in use: the checks of types that tests put around every function are no part of it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    torch.compiler.reset()  # networks share those checks' code, of which torch keeps a few versions
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def captured(function):
    return torch.compile(function, fullgraph=True, backend="eager")


@pytest.mark.parametrize("backbone", [name for name in allowed("backbone") if "timm" not in name])
def test_an_encoder_is_one_graph(backbone):
    run = compose_run("hdc", backbone=backbone, data="synthetic_smoke", scale="smoke")
    encoder = build_encoder(plain(run.backbone), seed=0).eval()
    clips = torch.randn(2, 3, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    found, expected = captured(encoder)(clips), encoder(clips)
    for level, features in expected.items():
        assert_close(found[level], features)
    weights = list(encoder.parameters())
    slopes = [
        torch.autograd.grad(list(made.values())[-1].sum(), weights) for made in (found, expected)
    ]
    assert_close(*slopes)


def test_augmentation_is_one_graph_of_every_step():
    run = compose_run("hdc", backbone="r3d18", data="synthetic_smoke", scale="smoke")
    [settings] = typed(run, "augment")
    size = {"height": 40, "width": 53, "pixels": 32}
    draws = [draw(np.random.default_rng(seed), settings, **size) for seed in range(3)]
    clips = torch.randint(0, 256, (3, 4, 40, 53, 3), dtype=torch.uint8)
    told = clips, packed(draws), Steps(*[True] * 5)
    assert_close(captured(changed)(*told, pixels=32), changed(*told, pixels=32))
