import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from hdc.data.batches import VideoBatches
from hdc.data.store import ClipStore
from hdc.data.views import augmented, see_views
from hdc.settings.compose import compose_run
from hdc.settings.objective import View
from hdc.settings.schema import Clip

CLIP = Clip(frames=4, stride=2, pixels=16, minimum_distance=0, maximum_distance=None)
VIEWS = {"a": View(1, "a"), "r": View(1, "a", vary={"_target_": "hdc.data.variations.rotation"})}


@pytest.fixture
def batches(tiny):
    run = compose_run("hdc", backbone="r3d18", data="synthetic", scale="smoke")
    augment = OmegaConf.to_object(run.augment)
    return VideoBatches(
        ClipStore(tiny), range(16), clip=CLIP, augment=augment, batch_size=8, seed=0
    )


def test_pictures_of_a_view_that_varies_are_changed_as_its_variants_say(batches):
    batch = batches.epoch(0, views=VIEWS)[0]()
    seen = augmented(batch, pixels=16, device=torch.device("cpu"))
    assert set(batch["r"].variants) == {0, 1, 2, 3}
    for plain, turned, variant in zip(seen["a"], seen["r"], batch["r"].variants, strict=True):
        assert np.array_equal(turned.numpy(), np.rot90(plain.numpy(), variant, axes=(-2, -1)))


def test_they_are_drawn_as_the_network_sees_them(batches, tmp_path):
    see_views(batches, VIEWS, path=tmp_path / "views.png")
    rows = np.asarray(Image.open(tmp_path / "views.png")).reshape(4, 2, 66, 8, 66, 3)
    shown = rows[:, :, :64, :, :64].transpose(0, 1, 3, 2, 4, 5)  # (video, view, frame, ...)
    batch = batches.epoch(0, views=VIEWS)[0]()
    for (plain, turned), variant in zip(shown, batch["r"].variants, strict=False):
        assert np.array_equal(turned, np.rot90(plain, variant, axes=(1, 2)))
