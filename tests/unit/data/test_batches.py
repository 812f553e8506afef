import hashlib
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from hdc.data.batches import ClipBatch, VideoBatches, inference_batches, read_clips
from hdc.data.store import ClipStore, write_manifest
from hdc.runtime.errors import InputError
from hdc.runtime.lookahead import ahead
from hdc.settings.compose import compose_run
from hdc.settings.objective import View
from hdc.settings.schema import Clip, Inference

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


def clips(batch):
    """All clips of a batch whose frames have one size."""
    (part,) = batch.parts
    return part


def same(first, second):
    return torch.equal(clips(first), clips(second)) and first.draws == second.draws


def test_views_share_crops_and_draws_as_they_say(batches):
    views = VIEWS | {"d": View(2, "a")}
    batch = batches().epoch(0, views=views)[0]()
    assert batch["a"].parts is batch["b"].parts  # read once
    assert batch["a"].draws != batch["b"].draws
    assert not torch.equal(clips(batch["a"]), clips(batch["c"]))
    assert batch["c"].parts is batch["d"].parts
    # Crops that share a draw differ in noise alone: the same noise would name their video.
    for one, other in zip(batch["a"].draws, batch["d"].draws, strict=True):
        assert one.noise > 0 and one.noise_seed != other.noise_seed
        assert replace(one, noise_seed=0) == replace(other, noise_seed=0)


PACE = {"_target_": "hdc.data.variations.pace", "paces": 3}
ROTATION = {"_target_": "hdc.data.variations.rotation"}


def test_frames_come_in_the_order_that_a_view_says(batches):
    views = {"a": View(1, "a"), "r": View(1, "a", order="reversed")}
    views |= {"s": View(1, "a", order="shuffled"), "t": View(1, "b", order="shuffled")}
    batch = batches().epoch(0, views=views)[0]()
    assert torch.equal(clips(batch["r"]), clips(batch["a"]).flip(1))
    assert not torch.equal(clips(batch["s"]), clips(batch["a"]))
    assert batch["s"].parts is batch["t"].parts
    for shuffled, plain in zip(clips(batch["s"]), clips(batch["a"]), strict=True):
        key = lambda frame: frame.flatten().tolist()  # noqa: E731
        assert sorted(map(key, shuffled)) == sorted(map(key, plain))
    assert same(batch["s"], batches().epoch(0, views=views)[0]()["s"])


def test_a_view_that_varies_says_how(batches, tiny):
    views = {"p": View(1, "a", vary=PACE), "r": View(1, "a", vary=ROTATION), "a": View(1, "a")}
    seen, store = set(), ClipStore(tiny)
    for make in batches().epoch(0, views=views):
        batch = make()
        assert clips(batch["r"]) is clips(batch["a"])  # turned later, on the device
        assert batch["r"].changed is not None and batch["p"].changed is None
        seen |= set(batch["p"].variants)
        for row, first, clip, variant in zip(
            batch["p"].rows, batch["p"].first_frames, clips(batch["p"]), batch["p"].variants,
            strict=True,
        ):  # fmt: skip
            total = store.shape(row)[0]
            numbers = (first + 2 * (variant + 1) * np.arange(4)) % total
            assert np.array_equal(clip.numpy(), store.clip(row, numbers))
    assert seen == {0, 1, 2}
    again = batches().epoch(0, views={"p": views["p"]})[0]()["p"]
    assert again.variants == batches().epoch(0, views=views)[0]()["p"].variants


def test_a_view_does_not_depend_on_which_others_there_are(batches):
    all_three = batches().epoch(2, views=VIEWS)[0]()
    two = batches().epoch(2, views={"a": VIEWS["a"], "c": VIEWS["c"]})[0]()
    assert all(same(all_three[name], two[name]) for name in ("a", "c"))


def test_an_epoch_can_be_entered_anywhere(batches):
    whole = [task() for task in batches().epoch(1, views=VIEWS)]
    assert len(whole) == batches().steps_per_epoch == 3
    rest = [task() for task in batches().epoch(1, 1, views=VIEWS)]
    assert [step["a"].rows for step in rest] == [step["a"].rows for step in whole[1:]]
    assert same(rest[0]["c"], whole[1]["c"])


def test_epochs_and_seeds_differ_and_repeat(batches):
    def first(epoch, seed):
        return batches(seed=seed).epoch(epoch, views=VIEWS)[0]()

    assert same(first(0, 0)["a"], first(0, 0)["a"])
    assert first(0, 0)["a"].rows != first(1, 0)["a"].rows
    assert first(0, 0)["a"].rows != first(0, 1)["a"].rows


def test_every_video_at_most_once_an_epoch(batches):
    rows = [row for task in batches().epoch(0, views=VIEWS) for row in task()["a"].rows]
    assert len(set(rows)) == len(rows) == 15


def test_a_batch_larger_than_the_data_is_refused(batches):
    with pytest.raises(
        InputError, match="at most the number of usable training videos, 16, got 17"
    ):
        batches(batch_size=17)


def test_clips_are_frames_of_the_store(batches, tiny):
    store = ClipStore(tiny)
    batch = batches().epoch(0, views=VIEWS)[0]()["a"]
    for row, clip in zip(batch.rows, clips(batch).numpy(), strict=True):
        frames = store.clip(row, np.arange(store.shape(row)[0]))
        starts = [s for s in range(len(frames) - 6) if np.array_equal(frames[s : s + 7 : 2], clip)]
        assert len(starts) == 1


def test_testing_clips_are_spread_evenly_over_each_video(tiny):
    store = ClipStore(tiny)
    inference = Inference(clips=3, crop=1.0, batch_size=7)
    made = inference_batches(store, [4, 2, 0], clip=CLIP, inference=inference)
    found = [task() for task in made]
    assert [batch.rows for batch in found] == [[4, 4, 4, 2, 2, 2], [0, 0, 0]]
    frames = store.clip(4, np.arange(store.shape(4)[0]))
    expected = [frames[start : start + 7 : 2] for start in (0, 8, 17)]
    assert np.array_equal(clips(found[0])[:3].numpy(), np.stack(expected))


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_clips_of_several_strides_have_the_same_middle(tiny, stride):
    store, clip = ClipStore(tiny), replace(CLIP, stride=stride)
    inference = Inference(clips=3, crop=1.0, batch_size=3)
    (task,) = inference_batches(store, [4], clip=clip, inference=inference, window=13)
    frames, found = store.clip(4, np.arange(24)), task()
    shown = np.array(found.first_frames)[:, None] + stride * np.arange(4)
    assert np.array_equal(clips(found).numpy(), frames[shown])
    # Of windows of 13 frames from 0, 6 and 11 on; a frame has no half.
    assert np.abs(shown.mean(axis=1) - [6, 12, 17]).max() <= 0.5


def test_three_squares_of_each_tested_clip(tiny):
    store, inference = ClipStore(tiny), Inference(clips=2, crop=0.5, batch_size=6)
    (task, *_) = inference_batches(store, [3], clip=CLIP, inference=inference, crops=3)
    batch = task()
    assert batch.rows == [3] * 6
    assert [(draw.top, draw.left) for draw in batch.draws] == [(5, 0), (5, 5), (5, 10)] * 2
    same = [np.array_equal(batch.clip(0), batch.clip(number)) for number in range(6)]
    assert same == [True, True, True, False, False, False]


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_ahead_gives_the_same_items_in_order_and_errors(workers):
    def task(number):
        if number == 9:
            raise RuntimeError("boom")
        time.sleep(0.002 * (number % 3))
        return number

    seen = []
    with pytest.raises(RuntimeError, match="boom"):
        for item in ahead([partial(task, number) for number in range(12)], workers=workers):
            seen.append(item)
    assert seen == list(range(9))


def fingerprint(made):
    """A hash of (video, crop, augmentation draw) of every step, in order."""
    text = hashlib.sha256()
    for step, views in enumerate(made):
        for name, batch in views.items():
            text.update(repr((step, name, batch.rows, batch.draws)).encode())
            text.update(clips(batch).numpy().tobytes())
    return text.hexdigest()


def test_workers_and_processes_change_nothing(batches):
    """One hash of two epochs for 0, 1, 2 and 4 workers, and for 1 and 2 processes."""
    found = set()
    for workers in (0, 1, 2, 4):
        tasks = [
            task for epoch in (0, 1) for task in batches(batch_size=4).epoch(epoch, views=VIEWS)
        ]
        found.add(fingerprint(ahead(tasks, workers=workers)))
    parts = []
    for part in (0, 1):
        maker = batches(batch_size=4, part=(part, 2))
        parts.append([task() for epoch in (0, 1) for task in maker.epoch(epoch, views=VIEWS)])
    joined = [
        {name: join(first[name], second[name]) for name in first}
        for first, second in zip(*parts, strict=True)
    ]
    found.add(fingerprint(joined))
    assert len(found) == 1


def join(first, second):
    return ClipBatch(
        first.rows + second.rows,
        first.first_frames + second.first_frames,
        (torch.cat([clips(first), clips(second)]),),
        first.draws + second.draws,
    )


def test_a_batch_that_processes_cannot_share_evenly_is_refused(batches):
    with pytest.raises(InputError, match="a multiple of the number of processes, 2, got 5"):
        batches(part=(0, 2))


SIDES = ((40, 53), (40, 71), (71, 40), (40, 64), (40, 30), (40, 53))


@pytest.fixture
def mixed(tmp_path):
    """A raw store of videos of 9 frames of mixed sizes, and their frames."""
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (9, *sides, 3), dtype=np.uint8) for sides in SIDES]
    offsets = np.cumsum([0, *(clip.size for clip in frames)]).tolist()
    (tmp_path / "0.bin").write_bytes(b"".join(clip.tobytes() for clip in frames))
    videos = [
        {
            "video": str(row),
            "shard": 0,
            "offset": offset,
            "bytes": clip.size,
            "shape": clip.shape[:3],
        }
        for row, (offset, clip) in enumerate(zip(offsets, frames, strict=False))
    ]
    shards = [{"file": "0.bin", "bytes": offsets[-1]}]
    facts = {"form": "raw", "short_side": 40, "key_frame_every": 4}
    write_manifest(tmp_path, **facts, shards=shards, videos=videos)
    return ClipStore(tmp_path), frames


def test_frames_of_mixed_sizes_come_in_parts_and_none_is_filled_up_to_the_largest(mixed):
    store, frames = mixed
    wanted = [(row, np.arange(row, row + 3)) for row in (0, 4, 3, 1, 2)]
    parts = read_clips(store, wanted)
    assert [tuple(part.shape) for part in parts] == [
        (1, 3, *sides, 3) for sides in ((40, 53), (40, 30), (40, 64), (40, 71), (71, 40))
    ]
    found = [clip for part in parts for clip in part.numpy()]
    for clip, (row, numbers) in zip(found, wanted, strict=True):
        assert np.array_equal(clip, frames[row][numbers])


def test_frames_of_about_one_size_share_a_part_that_is_black_beyond_them(mixed):
    store, frames = mixed
    (part,) = read_clips(store, [(0, np.arange(3)), (3, np.arange(3)), (5, np.arange(3))])
    assert part.shape == (3, 3, 40, 64, 3)
    assert np.array_equal(part[0, :, :, :53], frames[0][:3]) and not part[0, :, :, 53:].any()
    assert np.array_equal(part[1], frames[3][:3])


def test_a_training_batch_brings_frames_of_about_one_size_together(mixed, augment):
    store, frames = mixed
    batches = VideoBatches(store, range(6), clip=CLIP, augment=augment, batch_size=6, seed=0)
    batch = batches.epoch(0, views=VIEWS)[0]()["c"]
    assert sorted(batch.rows) == list(range(6)) and len(batch.parts) == 4
    for place, (row, first) in enumerate(zip(batch.rows, batch.first_frames, strict=True)):
        height, width = SIDES[row]
        clip = batch.clip(place)[:, :height, :width].numpy()
        assert np.array_equal(clip, frames[row][(first + np.arange(0, 8, 2)) % 9])
        assert batch.draws[place].left + batch.draws[place].width <= width
