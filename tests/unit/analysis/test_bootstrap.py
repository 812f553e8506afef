"""The two-way bootstrap, against enumeration, a slow obvious form, and its coverage."""

import itertools
import time

import numpy as np
import pytest

from hdc.analysis.bootstrap import bootstrap_difference, resampled_differences
from hdc.runtime.errors import InputError


@pytest.fixture
def runs():
    """Right or wrong of two runs: 4 seeds, 30 videos of 7 groups that differ in size."""
    draws = np.random.default_rng(0)
    first, second = (draws.random((2, 4, 30)) < [[[0.7]], [[0.4]]]).astype(int)
    groups = draws.integers(0, 7, 30).astype(str)
    return first, second, groups


def slow_draws(splits, *, resamples, seed):
    """The same draws one at a time, by index; each split is (first, second, groups)."""
    draws = np.random.default_rng(seed)
    seeds = len(splits[0][0])
    means = []
    for _ in range(resamples):
        seeds_drawn = draws.integers(0, seeds, seeds)
        videos_drawn = []
        for _, _, groups in splits:
            names = sorted(set(groups))
            chosen = [names[place] for place in draws.integers(0, len(names), len(names))]
            videos_drawn.append([v for name in chosen for v in np.flatnonzero(groups == name)])
        by_split = []
        for (first, second, _), videos in zip(splits, videos_drawn, strict=True):
            values = [first[s, v] - second[s, v] for s in seeds_drawn for v in videos]
            by_split.append(sum(values) / len(values))
        means.append(sum(by_split) / len(by_split))
    return np.array(means)


def assert_alike(found, expected):
    """Mean, spread and limits of two sets of draws, within the noise of a few thousand."""
    spread = expected.std()
    assert found.mean() == pytest.approx(expected.mean(), abs=0.08 * spread)
    assert found.std() == pytest.approx(spread, rel=0.06)
    limits = np.quantile(found, [0.025, 0.5, 0.975])
    assert limits == pytest.approx(np.quantile(expected, [0.025, 0.5, 0.975]), abs=0.16 * spread)


def test_every_draw_of_two_seeds_and_two_videos():
    """16 equally likely draws, whose means are enumerated."""
    table = np.array([[1.0, 2.0], [4.0, 8.0]])
    pairs = list(itertools.product(range(2), repeat=2))
    expected = [table[np.ix_(seeds, videos)].mean() for seeds in pairs for videos in pairs]
    found = resampled_differences([table], [np.arange(2)], seed=0, resamples=20_000)
    values, counts = np.unique(expected, return_counts=True)
    shares = [np.isclose(found, value).mean() for value in values]
    assert shares == pytest.approx(counts / 16, abs=0.01)
    assert sum(shares) == pytest.approx(1)


def test_like_the_slow_form_with_groups(runs):
    first, second, groups = runs
    members = np.unique(groups, return_inverse=True)[1]
    found = resampled_differences([first - second], [members], seed=0, resamples=4000)
    assert_alike(found, slow_draws([(first, second, groups)], resamples=4000, seed=1))


def test_like_the_slow_form_with_two_splits(runs):
    first, second, groups = runs
    alone = np.arange(12)
    splits = [(first, second, groups), (first[:, :12], second[:, 18:], alone)]
    members = [np.unique(each, return_inverse=True)[1] for *_, each in splits]
    differences = [first - second for first, second, _ in splits]
    found = resampled_differences(differences, members, seed=0, resamples=4000)
    assert_alike(found, slow_draws(splits, resamples=4000, seed=1))


def test_mean_and_counts(runs):
    first, second, groups = runs
    found = bootstrap_difference(first, second, seed=0, groups=groups, resamples=500)
    assert found.mean == pytest.approx(first.mean() - second.mean())
    assert (found.seeds, found.videos, found.groups) == (4, 30, len(set(groups)))
    assert found.low < found.mean < found.high
    assert found.resamples == 500


def test_splits_are_averaged_with_equal_weight(runs):
    first, second, _ = runs
    splits = [first, first[:, :5]], [second, second[:, :5]]
    found = bootstrap_difference(*splits, seed=0, resamples=200)
    parts = [bootstrap_difference(*pair, seed=0) for pair in zip(*splits, strict=True)]
    assert found.mean == pytest.approx((parts[0].mean + parts[1].mean) / 2)
    assert found.videos == 35


def test_the_same_seed_gives_the_same_interval(runs):
    first, second, groups = runs
    once, again, other = (
        bootstrap_difference(first, second, seed=seed, groups=groups) for seed in (3, 3, 4)
    )
    assert once == again
    assert (other.low, other.high) != (once.low, once.high)
    assert (other.low, other.high) == pytest.approx((once.low, once.high), abs=0.02)


def test_blocks_change_no_draw(runs, monkeypatch):
    first, second, _ = runs
    whole = bootstrap_difference(first, second, seed=0, resamples=1000)
    monkeypatch.setattr("hdc.analysis.bootstrap.BLOCK", 7 * 30)
    parts = bootstrap_difference(first, second, seed=0, resamples=1000)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=1e-12)


def test_groups_of_one_video_are_no_groups(runs):
    first, second, _ = runs
    names = [f"video{number}" for number in range(30)]
    plain = bootstrap_difference(first, second, seed=0)
    assert bootstrap_difference(first, second, seed=0, groups=names) == plain
    assert bootstrap_difference([first], [second], seed=0, groups=[names]) == plain


def test_the_order_of_videos_and_names_of_groups_change_only_chance(runs):
    first, second, groups = runs
    found = bootstrap_difference(first, second, seed=0, groups=groups)
    order = np.random.default_rng(1).permutation(30)
    names = [int(groups[place]) for place in order]
    moved = bootstrap_difference(first[:, order], second[:, order], seed=0, groups=names)
    assert (moved.low, moved.high) == pytest.approx((found.low, found.high), abs=0.02)


def test_groups_that_fail_together_widen_the_interval():
    """10 groups of 10 videos with one outcome each: 10 things were seen, not 100."""
    outcomes = np.repeat(np.random.default_rng(0).random((1, 10)) < 0.5, 10, axis=1)
    first, second = np.repeat(outcomes, 3, axis=0), np.zeros((3, 100))
    groups = np.repeat(np.arange(10), 10)
    alone = bootstrap_difference(first, second, seed=0)
    together = bootstrap_difference(first, second, seed=0, groups=groups)
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(10**0.5, rel=0.1)


def test_the_other_way_round_only_signs_change(runs):
    first, second, _ = runs
    found = bootstrap_difference(first, second, seed=0)
    turned = bootstrap_difference(second, first, seed=0)
    assert turned.mean == pytest.approx(-found.mean)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_a_run_against_itself_differs_by_nothing(runs):
    found = bootstrap_difference(runs[0], runs[0], seed=0, resamples=100)
    assert (found.mean, found.low, found.high) == (0, 0, 0)


def test_truth_values_are_numbers(runs):
    first, second, _ = runs
    truth = bootstrap_difference(first.astype(bool), second.astype(bool), seed=0)
    assert truth == bootstrap_difference(first, second, seed=0)


def test_one_seed_or_one_group_has_no_interval(runs):
    first, second, groups = runs
    one = bootstrap_difference(first[:1], second[:1], seed=0)
    assert (one.low, one.high, one.seeds) == (None, None, 1)
    assert one.mean == pytest.approx(first[0].mean() - second[0].mean())
    one = bootstrap_difference(first, second, seed=0, groups=["all"] * 30)
    assert (one.low, one.high, one.groups) == (None, None, 1)
    splits = [first, first], [second, second]
    assert bootstrap_difference(*splits, seed=0, groups=[groups, ["all"] * 30]).low is None


def test_outcomes_that_do_not_match_are_refused(runs):
    first, second, groups = runs
    wrong = [
        (first, second[:, 1:]),
        (first[1:], second),
        (first[0], second[0]),
        ([first, first[1:]], [second, second[1:]]),
        ([first], [second, second]),
        ([], []),
        (first[:, :0], second[:, :0]),
    ]
    for pair in wrong:
        with pytest.raises(InputError, match="with the same seeds and videos"):
            bootstrap_difference(*pair, seed=0)
    with pytest.raises(InputError, match=r"group of each of \[30\] videos, found \[29\]"):
        bootstrap_difference(first, second, seed=0, groups=groups[1:])
    with pytest.raises(InputError, match="found videos without one"):
        bootstrap_difference(first, second, seed=0, groups=[None, *groups[1:]])
    with pytest.raises(InputError, match="at least 1 resample"):
        bootstrap_difference(first, second, seed=0, resamples=0)


def test_outcomes_that_are_no_number_are_refused(runs):
    first = runs[0].astype(float)
    first[2, 3] = np.nan
    with pytest.raises(InputError, match="expected a number for every seed and video"):
        bootstrap_difference(first, runs[1], seed=0)


def covered(*, seeds, videos, scales, experiments=300):
    """The share of intervals that hold the true difference 0.3; noise of seeds, videos, pairs."""
    draws = np.random.default_rng(0)
    hits = 0
    for number in range(experiments):
        by_seed, by_video = draws.standard_normal((seeds, 1)), draws.standard_normal((1, videos))
        pairs = draws.standard_normal((seeds, videos))
        first = 0.3 + scales[0] * by_seed + scales[1] * by_video + scales[2] * pairs
        found = bootstrap_difference(first, np.zeros_like(first), seed=number, resamples=400)
        hits += found.low <= 0.3 <= found.high
    return hits / experiments


def test_intervals_hold_the_truth():
    """Both kinds of noise matter; the standard error of 300 experiments is 1.3 points."""
    assert covered(seeds=20, videos=60, scales=(0.5, 1, 0.5)) == pytest.approx(0.95, abs=0.04)


def test_intervals_are_as_narrow_for_few_seeds_as_the_module_says():
    assert 0.76 < covered(seeds=5, videos=60, scales=(1, 0, 0.5)) < 0.92
    assert 0.45 < covered(seeds=2, videos=60, scales=(1, 0, 0.5)) < 0.67


def test_two_runs_that_are_alike_are_seldom_told_apart():
    """Right or wrong, the same chances in both runs, videos easy and hard: the truth is 0."""
    draws = np.random.default_rng(0)
    apart = 0
    for number in range(200):
        chances = draws.beta(0.5, 0.5, (1, 80))
        first, second = draws.random((2, 6, 80)) < chances
        found = bootstrap_difference(first, second, seed=number, resamples=300)
        apart += found.low > 0 or found.high < 0
    assert apart <= 10


def test_a_large_test_set_takes_seconds():
    outcomes = np.random.default_rng(0).random((2, 5, 4000)) < 0.5
    start = time.process_time()
    bootstrap_difference(*outcomes, seed=0)
    assert time.process_time() - start < 20  # of the processor, so that others do not count; 0.6
