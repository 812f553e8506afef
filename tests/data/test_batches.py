import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from hdc.config import compose_run
from hdc.data.batches import VideoBatches, ahead, inference_batches
from hdc.data.store import ClipStore
from hdc.errors import InputError
from hdc.settings import Clip, Inference, View

VIEWS = {"a": View(1, "a"), "b": View(1, "b"), "c": View(2, "c")}
CLIP = Clip(frames=4, stride=2, pixels=16, minimum_distance=0, maximum_distance=None)


@pytest.fixture(scope="module")
def augment():
    run = compose_run("hdc", backbone="r3d18", data="synthetic", scale="smoke")
    return OmegaConf.to_object(run.augment)


@pytest.fixture
def batches(tiny, augment):
    def make(**changes):
        values = {"clip": CLIP, "augment": augment, "batch_size": 5, "seed": 0} | changes
        return VideoBatches(ClipStore(tiny), range(16), **values)

    return make


def same(first, second):
    return torch.equal(first.clips, second.clips) and first.draws == second.draws


def test_views_share_crops_and_draws_as_they_say(batches):
    views = VIEWS | {"d": View(2, "a")}
    batch = next(batches().epoch(0, views))
    assert torch.equal(batch["a"].clips, batch["b"].clips)
    assert batch["a"].draws != batch["b"].draws
    assert not torch.equal(batch["a"].clips, batch["c"].clips)
    assert torch.equal(batch["c"].clips, batch["d"].clips)
    assert batch["a"].draws == batch["d"].draws


def test_a_view_does_not_depend_on_which_others_there_are(batches):
    all_three = next(batches().epoch(2, VIEWS))
    two = next(batches().epoch(2, {"a": VIEWS["a"], "c": VIEWS["c"]}))
    assert all(same(all_three[name], two[name]) for name in ("a", "c"))


def test_an_epoch_can_be_entered_anywhere(batches):
    whole = list(batches().epoch(1, VIEWS))
    assert len(whole) == batches().steps_per_epoch == 3
    rest = list(batches().epoch(1, VIEWS, first_step=1))
    assert [step["a"].rows for step in rest] == [step["a"].rows for step in whole[1:]]
    assert same(rest[0]["c"], whole[1]["c"])


def test_epochs_and_seeds_differ_and_repeat(batches):
    def first(epoch, seed):
        return next(batches(seed=seed).epoch(epoch, VIEWS))

    assert same(first(0, 0)["a"], first(0, 0)["a"])
    assert first(0, 0)["a"].rows != first(1, 0)["a"].rows
    assert first(0, 0)["a"].rows != first(0, 1)["a"].rows


def test_every_video_at_most_once_an_epoch(batches):
    rows = [row for step in batches().epoch(0, VIEWS) for row in step["a"].rows]
    assert len(set(rows)) == len(rows) == 15


def test_a_batch_larger_than_the_data_is_refused(batches):
    with pytest.raises(InputError, match="at most the number of training videos, 16, got 17"):
        batches(batch_size=17)


def test_clips_are_frames_of_the_store(batches, tiny):
    store = ClipStore(tiny)
    batch = next(batches().epoch(0, VIEWS))["a"]
    for row, clip in zip(batch.rows, batch.clips.numpy(), strict=True):
        frames = store.clip(row, np.arange(store.shape(row)[0]))
        starts = [s for s in range(len(frames) - 6) if np.array_equal(frames[s : s + 7 : 2], clip)]
        assert len(starts) == 1


def test_testing_clips_are_spread_evenly_over_each_video(tiny):
    store = ClipStore(tiny)
    inference = Inference(clips=3, crop=1.0, batch_size=7)
    found = list(inference_batches(store, [4, 2, 0], clip=CLIP, inference=inference))
    assert [batch.rows for batch in found] == [[4, 4, 4, 2, 2, 2], [0, 0, 0]]
    frames = store.clip(4, np.arange(store.shape(4)[0]))
    expected = [frames[start : start + 7 : 2] for start in (0, 8, 17)]
    assert np.array_equal(found[0].clips[:3].numpy(), np.stack(expected))


def test_ahead_gives_the_same_items_and_errors():
    def items():
        yield from range(3)
        raise RuntimeError("boom")

    seen = []
    with pytest.raises(RuntimeError, match="boom"):
        for item in ahead(items()):
            seen.append(item)
    assert seen == [0, 1, 2]
