"""What a few seeds say: means, paired differences, correction for many questions, seeds needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from hdc.runtime.errors import InputError

CONFIDENCE = 0.95  # of every interval
ALPHA = 0.05  # two-sided, before any correction
POWER = 0.8
SEEDS_FOR_P = 5  # with fewer, a t test rests on a normal distribution that nobody could see
MOST_SEEDS = 1000  # more than this is shown as "more than"
LARGEST_EFFECT = 1000.0  # two seeds show it; SciPy's noncentral t ends at about 10,000
ROUNDING = 1e-12  # relative to the values; shares of n videos differ by 1/n, which is far more

Number = float | int
Values = Sequence[Number] | np.ndarray


@dataclass(frozen=True)
class Summary:
    """Mean, sample standard deviation and interval of the mean over seeds; None: not known."""

    mean: float
    spread: float | None
    seeds: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Paired(Summary):
    """The same of the differences of two runs, seed by seed, and what tells them from zero."""

    p: float | None  # two-sided, uncorrected
    effect_size: float | None  # d_z: mean / spread of the paired differences


@dataclass(frozen=True)
class SeedsNeeded:
    """How many seeds would show an effect of the size seen; None: more than MOST_SEEDS."""

    seeds: int | None
    fewest: int | None  # at the upper confidence limit of the effect size
    most: int | None  # at the lower one; None, too, if it reaches zero

    def __str__(self) -> str:
        return f"{_count(self.seeds)} ({_count(self.fewest)} to {_count(self.most)})"


def summary(values: Values) -> Summary:
    """Mean, sample standard deviation and 95 % Student t interval of the mean over seeds.

    One seed has no spread and no interval. Equal values have a spread of 0 and no interval: the
    interval's width would come from a noise that was not seen once. It is not clipped: that of an
    accuracy may pass 0 or 1. Raises InputError if there are no values, or one is no number.
    """
    values = _numbers(values)
    return _summary(values, scale=np.abs(values).max())


def paired(first: Mapping[int, Number], second: Mapping[int, Number]) -> Paired:
    """The difference `first` - `second` over the seeds they share; each maps a seed to a value.

    It speaks of other seeds on the same test videos; `hdc.analysis.bootstrap` of other videos, too.
    p is that of the paired t test and None for fewer than 5 seeds. The effect size is Cohen's d_z,
    mean / standard deviation of the paired differences, without a correction for few seeds (at 5
    seeds it is 25 % too large on average). Equal differences, up to rounding, have a spread of 0
    and neither interval, p nor d_z: dividing by a noise that was not seen would claim p = 0.

    Source of d_z: Lakens 2013 (doi 10.3389/fpsyg.2013.00863).
    Raises InputError if no seed is shared or a shared one has no number in either.
    """
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise InputError(
            f"expected runs that share a seed, found seeds {sorted(first)} and {sorted(second)}; "
            "compare runs of the same seeds"
        )
    pair = _numbers([[run[seed] for seed in shared] for run in (first, second)])
    differences = pair[0] - pair[1]
    # The values' size, not the differences': 0.9 - 0.8 and 0.6 - 0.5 differ by rounding alone.
    gap = _summary(differences, scale=np.abs(pair).max())
    varied = bool(gap.spread)
    tested = varied and gap.seeds >= SEEDS_FOR_P
    return Paired(
        **vars(gap),
        p=float(stats.ttest_rel(*pair).pvalue) if tested else None,
        effect_size=gap.mean / gap.spread if varied else None,
    )


def holm(p_values: Sequence[Number | None]) -> list[float | None]:
    """Adjusted p values in the order given: at most alpha where Holm's procedure rejects at alpha.

    None stays None but counts as one of the family, as if its p were 1: a question that was asked
    and not yet tested must not make the others look better.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    Raises InputError for what is no probability.
    """
    known = np.array([1.0 if p is None else p for p in p_values])
    if not ((known >= 0) & (known <= 1)).all():
        raise InputError(f"expected p values from 0 to 1 or None, found {list(p_values)}")
    order = np.argsort(known, kind="stable")
    steps = known[order] * np.arange(len(known), 0, -1)
    adjusted = np.empty_like(known)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [None if p is None else float(a) for p, a in zip(p_values, adjusted, strict=True)]


def power_hint(
    differences: Values, *, alpha: float = ALPHA, power: float = POWER
) -> SeedsNeeded | None:
    """How many seeds would show the paired differences seen, by a two-sided paired t test.

    None for one seed and for equal differences: there is no effect size. The range goes through
    the 95 % confidence limits of d_z and is wide for good reason: a few seeds hardly know the
    effect size, so this plans the next study and judges nothing about this one. The count may be
    below SEEDS_FOR_P, where `paired` gives no p.

    Source: Cumming and Finch 2001 (doi 10.1177/0013164401614002), limits from the noncentral t.
    Raises InputError if there are no differences, one is no number, or a share is impossible.
    """
    _require_shares(alpha=alpha, power=power)
    gap = summary(differences)
    if not gap.spread:
        return None
    effect = min(abs(gap.mean) / gap.spread, LARGEST_EFFECT)
    low, high = effect_limits(effect, gap.seeds)
    return SeedsNeeded(*(_seeds_for(size, alpha, power) for size in (effect, high, low)))


def effect_limits(effect: float, seeds: int) -> tuple[float, float]:
    """95 % confidence limits of d_z where `effect`, at least 0, was seen over some seeds.

    They are the sizes under which an effect as large, or as small, has a probability of 2.5 %.
    """
    root, tail = np.sqrt(seeds), (1 - CONFIDENCE) / 2
    return tuple(
        float(_size_where(effect * root, seeds, larger=share) / root) for share in (tail, 1 - tail)
    )


def detectable_effect(seeds: int, *, alpha: float, power: float = POWER) -> float:
    """The smallest d_z that a two-sided paired t test over some seeds shows with a given power.

    For one of several questions, `alpha` divided by their number is what Holm asks at worst.
    Raises InputError for fewer than 2 seeds and for impossible shares.
    """
    _require_shares(alpha=alpha, power=power)
    if seeds < 2:
        raise InputError(f"expected at least 2 seeds, found {seeds}; one has no spread")
    if power <= alpha:
        return 0.0
    high = 1.0
    while t_test_power(high, seeds, alpha) < power:
        high *= 2
    return float(optimize.brentq(lambda size: t_test_power(size, seeds, alpha) - power, 0, high))


def t_test_power(
    effect: float, seeds: int | np.ndarray, alpha: float
) -> np.floating | float | np.ndarray:
    """Probability that a two-sided paired t test shows a d_z of `effect` >= 0, by seeds."""
    threshold = stats.t.isf(alpha / 2, seeds - 1)
    shift = effect * np.sqrt(seeds)
    # Not by nct.cdf: SciPy 1.17 gives NaN where it vanishes.
    wrong_side = 1 - stats.nct.sf(-threshold, seeds - 1, shift)
    return stats.nct.sf(threshold, seeds - 1, shift) + wrong_side


def _size_where(seen: float, seeds: int, *, larger: float) -> float:
    """The noncentrality under which a t above the one seen, at least 0, has a probability."""
    # P(t > seen) <= P(t > 0), the normal cdf of the size: 2.5 % only above -1.96. The other bound
    # is about seen * sqrt(chi2 / df) + 2, where the root is at most 2.3.
    bounds = (-2.0, 3 * seen + 5)
    root = optimize.brentq(lambda size: stats.nct.sf(seen, seeds - 1, size) - larger, *bounds)
    return float(root)


def _seeds_for(effect: float, alpha: float, power: float) -> int | None:
    """The fewest seeds that show an effect, None if more than MOST_SEEDS or if there is none."""
    if effect <= 0:
        return None
    seeds = np.arange(2, MOST_SEEDS + 1)
    enough = seeds[t_test_power(effect, seeds, alpha) >= power]
    return int(enough[0]) if len(enough) else None


def _summary(values: np.ndarray, *, scale: float) -> Summary:
    """Values (seed) that vary by less than rounding at their `scale` count as equal."""
    mean, seeds = float(values.mean()), len(values)
    if seeds == 1:
        return Summary(mean, None, seeds, None, None)
    if np.ptp(values) <= ROUNDING * scale:
        return Summary(mean, 0.0, seeds, None, None)
    interval = stats.ttest_1samp(values, 0).confidence_interval(CONFIDENCE)
    spread = float(values.std(ddof=1))
    return Summary(mean, spread, seeds, float(interval.low), float(interval.high))


def _numbers(values: Values | list[list[Number]]) -> np.ndarray:
    """Finite numbers as an array; raises InputError for others and for none."""
    array = np.asarray(values, dtype=float)
    if not array.size or not np.isfinite(array).all():
        raise InputError(f"expected a number for every seed, found {array.tolist()}")
    return array


def _require_shares(**shares: float) -> None:
    """Raise InputError unless every share lies between 0 and 1."""
    for name, share in shares.items():
        if not 0 < share < 1:
            raise InputError(f"expected {name} between 0 and 1, found {share}")


def _count(seeds: int | None) -> str:
    return f"more than {MOST_SEEDS}" if seeds is None else str(seeds)
