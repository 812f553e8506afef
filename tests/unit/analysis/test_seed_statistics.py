"""Statistics over seeds, against formulas by hand, other functions of SciPy and simulations."""

import math

import numpy as np
import pytest
from scipy import stats

from hdc.analysis.seed_statistics import (
    MOST_SEEDS,
    SeedsNeeded,
    detectable_effect,
    effect_limits,
    holm,
    paired,
    power_hint,
    summary,
)
from hdc.runtime.errors import InputError

FIRST = {0: 0.61, 1: 0.58, 2: 0.66, 3: 0.60, 4: 0.63}
SECOND = {0: 0.55, 1: 0.57, 2: 0.58, 3: 0.59, 4: 0.56}
DIFFERENCES = (0.06, 0.01, 0.08, 0.01, 0.07)


def shown(differences, *, alpha=0.05):
    """The share of rows (experiment, seed) in which a paired t test shows a difference."""
    seeds = differences.shape[1]
    t = differences.mean(axis=1) / (differences.std(axis=1, ddof=1) / math.sqrt(seeds))
    return (np.abs(t) > stats.t.ppf(1 - alpha / 2, seeds - 1)).mean()


def test_summary_by_hand():
    """t of 97.5 % for 2 degrees of freedom: 4.303."""
    found = summary([1.0, 2.0, 6.0])
    assert (found.mean, found.seeds) == (3, 3)
    assert found.spread == pytest.approx(math.sqrt(7))
    half = 4.302653 * math.sqrt(7 / 3)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half))


def test_a_summary_moves_and_turns_with_its_values():
    values = np.array([0.2, 0.5, 0.4, 0.45])
    found, turned = summary(values), summary(1 - values)
    assert turned.spread == pytest.approx(found.spread)
    assert (turned.low, turned.high) == pytest.approx((1 - found.high, 1 - found.low))


def test_one_seed_has_neither_spread_nor_interval():
    found = summary([0.4])
    assert (found.mean, found.spread, found.seeds) == (0.4, None, 1)
    assert (found.low, found.high) == (None, None)
    found = paired({0: 0.4}, {0: 0.3})
    assert found.mean == pytest.approx(0.1)
    assert (found.spread, found.low, found.p, found.effect_size) == (None, None, None, None)
    assert power_hint([0.1]) is None


@pytest.mark.parametrize("values", [[], [0.1, math.nan], [0.1, math.inf], [None, 0.2]])
def test_no_numbers_are_refused(values):
    with pytest.raises(InputError, match="expected a number for every seed"):
        summary(np.array(values, dtype=float))
    with pytest.raises(InputError, match="expected a number for every seed"):
        power_hint(np.array(values, dtype=float))


def test_paired_agrees_with_the_test_of_two_samples():
    found = paired(FIRST, SECOND)
    test = stats.ttest_rel(list(FIRST.values()), list(SECOND.values()))
    interval = test.confidence_interval(0.95)
    assert found.p == pytest.approx(test.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.mean, found.seeds) == (pytest.approx(0.046), 5)
    assert found.spread == pytest.approx(np.std(DIFFERENCES, ddof=1))


def test_effect_size_p_and_interval_by_hand():
    found = paired(FIRST, SECOND)
    spread = math.sqrt(sum((each - 0.046) ** 2 for each in DIFFERENCES) / 4)
    assert found.effect_size == pytest.approx(0.046 / spread)
    t = 0.046 / (spread / math.sqrt(5))
    assert found.p == pytest.approx(2 * stats.t.sf(t, 4))
    half = 2.776445 * spread / math.sqrt(5)
    assert (found.low, found.high) == pytest.approx((0.046 - half, 0.046 + half))
    assert (found.p < 0.05) == (found.low > 0)


def test_the_other_way_round_only_signs_change():
    found, turned = paired(FIRST, SECOND), paired(SECOND, FIRST)
    assert turned.p == pytest.approx(found.p)
    assert (turned.mean, turned.effect_size) == pytest.approx((-found.mean, -found.effect_size))
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_only_shared_seeds_count_whatever_their_order():
    second = dict(reversed(SECOND.items())) | {9: math.nan}
    assert paired(FIRST | {8: 0.1}, second) == paired(FIRST, SECOND)


def test_p_needs_five_seeds():
    four = {seed: value for seed, value in FIRST.items() if seed < 4}
    found = paired(four, SECOND)
    assert found.seeds == 4 and found.p is None
    assert found.low is not None and found.effect_size is not None


@pytest.mark.parametrize("difference", [0.0, 0.1])
def test_equal_differences_claim_nothing(difference):
    """0.9 - 0.8, 0.6 - 0.5 and so on differ by rounding, which is no noise to divide by."""
    first = {seed: 0.3 + seed / 10 for seed in range(6)}
    second = {seed: value - difference for seed, value in first.items()}
    found = paired(first, second)
    assert found.mean == pytest.approx(difference, abs=1e-12)
    assert (found.spread, found.seeds) == (0, 6)
    assert (found.low, found.high, found.p, found.effect_size) == (None, None, None, None)
    assert power_hint([difference] * 6) is None
    assert summary([difference] * 6).low is None


def test_the_smallest_true_spread_is_none_of_rounding():
    """One of 100,000 videos more, in one of five seeds."""
    found = paired(dict.fromkeys(range(5), 0.5), dict.fromkeys(range(4), 0.5) | {4: 0.50001})
    assert found.p == pytest.approx(stats.ttest_1samp([0, 0, 0, 0, 1], 0).pvalue)


def test_runs_without_a_shared_seed_or_number_are_refused():
    with pytest.raises(InputError, match=r"share a seed, found seeds \[0\] and \[1\]"):
        paired({0: 0.5}, {1: 0.5})
    with pytest.raises(InputError, match="expected a number for every seed"):
        paired({0: 0.5, 1: 0.4}, {0: 0.5, 1: math.nan})


def test_holm_by_hand():
    """Times 4, 3, 2, 1 from the smallest: 0.04, 0.06, 0.06 (not less than before), 0.06."""
    assert holm([0.03, 0.01, 0.05, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.01, 0.02, 0.04]) == pytest.approx([0.03, 0.04, 0.04])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.6, 0.6]) == [1, 1]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_rejects_what_its_procedure_rejects():
    """Step down by definition: go on as long as p <= alpha / (number left)."""
    draws = np.random.default_rng(0)
    for _ in range(200):
        p_values = (draws.random(6) ** 3).round(2).tolist()  # with ties
        alpha, rejected = draws.uniform(0.01, 0.3), set()
        for place, index in enumerate(sorted(range(6), key=p_values.__getitem__)):
            if p_values[index] > alpha / (6 - place):
                break
            rejected.add(index)
        assert {index for index, p in enumerate(holm(p_values)) if p <= alpha} == rejected


def test_what_was_not_tested_counts_in_the_family():
    assert holm([0.01, None, 0.03]) == pytest.approx([0.03, None, 0.06])
    assert holm([0.01, None, 0.03])[::2] == holm([0.01, 1.0, 0.03])[::2]
    assert holm([None, None]) == [None, None]


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_holm_refuses_what_is_no_probability(wrong):
    with pytest.raises(InputError, match="expected p values from 0 to 1 or None"):
        holm([0.5, wrong])


@pytest.mark.parametrize(
    ("seeds", "comparisons", "effect"),
    [(5, 1, 1.7), (5, 4, 2.5), (5, 9, 3.1), (10, 1, 1.0), (10, 4, 1.3), (10, 9, 1.5)],
)
def test_effects_that_few_seeds_show(seeds, comparisons, effect):
    assert round(detectable_effect(seeds, alpha=0.05 / comparisons), 1) == effect


def test_a_detectable_effect_is_shown_as_often_as_promised():
    """20,000 experiments: the standard error is 0.3 points."""
    effect = detectable_effect(5, alpha=0.05)
    noise = np.random.default_rng(0).standard_normal((20_000, 5))
    assert shown(noise + effect) == pytest.approx(0.8, abs=0.012)


def test_a_detectable_effect_falls_with_seeds_and_grows_with_power():
    by_seeds = [detectable_effect(seeds, alpha=0.05) for seeds in (2, 3, 5, 20, 1000)]
    assert by_seeds == sorted(by_seeds, reverse=True)
    assert detectable_effect(5, alpha=0.05, power=0.9) > detectable_effect(5, alpha=0.05)
    assert detectable_effect(5, alpha=0.05, power=0.05) == 0
    # Many seeds: the normal approximation.
    assert by_seeds[-1] == pytest.approx((1.959964 + 0.841621) / math.sqrt(1000), rel=0.005)


def test_the_seeds_of_a_hint_have_the_power_and_one_less_has_not():
    hint = power_hint(DIFFERENCES)
    effect = np.mean(DIFFERENCES) / np.std(DIFFERENCES, ddof=1)
    noise = np.random.default_rng(0).standard_normal((40_000, hint.seeds))
    assert shown(noise + effect) > 0.795
    assert shown(noise[:, :-1] + effect) < 0.805
    few = detectable_effect(hint.seeds - 1, alpha=0.05)
    assert detectable_effect(hint.seeds, alpha=0.05) <= effect < few


def test_a_stricter_hint_asks_for_more_seeds():
    hint = power_hint(DIFFERENCES)
    assert power_hint(DIFFERENCES, alpha=0.05 / 4).seeds > hint.seeds
    assert power_hint(DIFFERENCES, power=0.9).seeds > hint.seeds
    assert power_hint(np.negative(DIFFERENCES)) == hint


def test_the_range_of_a_hint():
    """The interval of these differences excludes zero, that of the next ones does not."""
    clear = power_hint([0.05, 0.06, 0.04, 0.055, 0.045, 0.05])
    assert 2 <= clear.fewest <= clear.seeds < clear.most
    unclear = power_hint([0.02, -0.01, 0.03, -0.02, 0.04])
    assert unclear.fewest < unclear.seeds and unclear.most is None
    assert str(unclear) == f"{unclear.seeds} ({unclear.fewest} to more than {MOST_SEEDS})"


def test_no_difference_on_average_is_beyond_any_number_of_seeds():
    hint = power_hint([0.1, -0.1, 0.2, -0.2])
    assert (hint.seeds, hint.most) == (None, None) and hint.fewest is not None
    assert str(SeedsNeeded(None, 7, None)) == "more than 1000 (7 to more than 1000)"


def test_a_difference_with_hardly_any_noise_needs_two_seeds():
    assert power_hint([1, 1 + 1e-9, 1 + 2e-9, 1 + 1e-9]) == SeedsNeeded(2, 2, 2)
    assert power_hint([0.5] * 999 + [0.5 + 1e-9]) == SeedsNeeded(2, 2, 2)


@pytest.mark.parametrize(("effect", "seeds"), [(0.8, 5), (0.0, 3), (1.5, 10)])
def test_effect_limits_hold_the_truth_as_often_as_promised(effect, seeds):
    """By duality: from the limits, an effect beyond the one seen comes up in 2.5 %."""
    low, high = effect_limits(effect, seeds)
    noise = np.random.default_rng(0).standard_normal((100_000, seeds))
    for limit, beyond in ((low, np.greater), (high, np.less)):
        data = noise + limit
        seen = data.mean(axis=1) / data.std(axis=1, ddof=1)
        assert beyond(seen, effect).mean() == pytest.approx(0.025, abs=0.003)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, math.nan])
def test_impossible_shares_are_refused(wrong):
    with pytest.raises(InputError, match="expected alpha between 0 and 1"):
        detectable_effect(5, alpha=wrong)
    with pytest.raises(InputError, match="expected power between 0 and 1"):
        power_hint(DIFFERENCES, power=wrong)


def test_one_seed_detects_nothing():
    with pytest.raises(InputError, match="expected at least 2 seeds, found 1"):
        detectable_effect(1, alpha=0.05)
