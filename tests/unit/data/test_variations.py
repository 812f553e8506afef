import itertools

import numpy as np
import pytest
import torch

from hdc.data.variations import Moment, built_variation, direction, order, pace, rotation

MOMENT = Moment(start=3, frames=6, stride=2, total=60)


def test_direction():
    forward, backward = (direction().shown(MOMENT, variant).tolist() for variant in (0, 1))
    assert forward == [3, 5, 7, 9, 11, 13]
    assert backward == forward[::-1]


def test_pace_by_hand():
    shown = pace(paces=3).shown
    assert shown(MOMENT, 0).tolist() == [3, 5, 7, 9, 11, 13]
    assert shown(MOMENT, 2).tolist() == [3, 9, 15, 21, 27, 33]


@pytest.mark.parametrize("start", [0, 3, 40])
def test_all_paces_of_a_clip_start_at_one_frame_and_fit_the_video(start):
    moment = Moment(start=start, frames=6, stride=2, total=50)
    shown = [pace(paces=4).shown(moment, variant) for variant in range(4)]
    assert len({int(numbers[0]) for numbers in shown}) == 1
    assert all((np.diff(numbers) == 2 * place).all() for place, numbers in enumerate(shown, 1))


@pytest.mark.parametrize(("frames", "parts"), [(6, 2), (6, 3), (16, 3)])
def test_order_shows_the_same_cuts_in_every_permutation(frames, parts):
    moment = Moment(start=0, frames=frames, stride=1, total=60)
    variation, length = order(parts=parts), -(-frames // parts)
    permutations = list(itertools.permutations(range(parts)))
    assert variation.classes == len(permutations)
    for variant, permutation in enumerate(permutations):
        pieces = [range(part * length, (part + 1) * length) for part in permutation]
        assert variation.shown(moment, variant).tolist() == [*itertools.chain(*pieces)][:frames]


def test_rotation_turns_every_frame():
    clips = torch.randn(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    for turns in range(4):
        found = rotation().changed(clips, turns)
        expected = np.rot90(clips.numpy(), turns, axes=(-2, -1))
        assert np.array_equal(found.numpy(), expected)


def test_a_part_is_built_with_its_settings():
    part = {"_target_": "hdc.data.variations.pace", "paces": 3}
    assert built_variation(part).classes == 3
    assert built_variation(None).classes == 1
