"""Differences of planted runs, against SciPy called plainly and a bootstrap of plain loops."""

import numpy as np
import pytest
from planted_comparisons import SHARES, plant_comparisons
from planted_study import rightly
from scipy import stats

from hdc.analysis.measures import fine_tuned, probe, recall
from hdc.analysis.results import read_results
from hdc.analysis.run_differences import Place, difference
from hdc.analysis.video_outcomes import Outcomes

GAPS = np.subtract(SHARES["hdc"], SHARES["single_level"])  # the same on both splits
PLACES = tuple(Place("r3d18", "synthetic", run) for run in ("hdc", "single_level"))


@pytest.fixture
def outcomes(tmp_path):
    return Outcomes(read_results(plant_comparisons(tmp_path)))


def test_over_seeds_it_is_scipys_paired_t(outcomes):
    found = difference((outcomes, outcomes), [probe("motion")], PLACES)
    plain = stats.ttest_rel(SHARES["hdc"], SHARES["single_level"])
    assert found.paired.mean == pytest.approx(GAPS.mean())
    assert found.paired.p == pytest.approx(plain.pvalue)
    interval = plain.confidence_interval(0.95)
    assert (found.paired.low, found.paired.high) == pytest.approx((interval.low, interval.high))
    assert found.paired.effect_size == pytest.approx(GAPS.mean() / GAPS.std(ddof=1))


def test_over_seeds_and_videos_it_is_a_plain_bootstrap_of_groups(outcomes):
    """Groups of five videos are drawn, in each split by itself, and seeds across both."""
    found = difference((outcomes, outcomes), [probe("motion")], PLACES).two_way
    right = {
        run: [
            np.array([rightly(values[seed] + more + 0.04, 7 * seed) for seed in range(5)])
            for more in (0, 0.02)
        ]
        for run, values in SHARES.items()
    }
    draws, rng = [], np.random.default_rng(1)
    for _ in range(4000):
        seeds = rng.integers(5, size=5)
        splits = []
        for split in (0, 1):
            groups = rng.integers(10, size=10)
            videos = [5 * group + place for group in groups for place in range(5)]
            gap = right["hdc"][split] - right["single_level"][split]
            splits.append(gap[np.ix_(seeds, videos)].mean())
        draws.append(np.mean(splits))
    plain = np.quantile(draws, [0.025, 0.975])
    assert found.mean == pytest.approx(GAPS.mean())
    assert (found.low, found.high) == pytest.approx(plain, abs=0.006)
    assert (found.seeds, found.videos, found.groups) == (5, 100, 20)


def test_the_mean_of_measures_is_compared(outcomes):
    both = difference((outcomes, outcomes), [probe("shape"), probe("motion")], PLACES)
    assert both.paired.mean == pytest.approx(GAPS.mean())
    assert both.two_way.mean == pytest.approx(GAPS.mean())


def test_a_seed_that_lacks_a_split_is_not_compared(outcomes):
    found = difference((outcomes, outcomes), [fine_tuned()], PLACES)
    assert found.paired.seeds == 4 and found.paired.p is None
    assert found.paired.mean == pytest.approx(GAPS[:4].mean())
    assert found.missing.startswith("no record: ") and "seed4" in found.missing
    assert (found.two_way.seeds, found.two_way.videos, found.two_way.groups) == (4, 100, 20)


def test_without_outcomes_by_video_there_is_no_second_interval(outcomes):
    found = difference((outcomes, outcomes), [probe("size", "r2")], PLACES)
    assert found.paired.mean == pytest.approx(GAPS.mean() / 2)
    assert found.two_way is None
    assert difference((outcomes, outcomes), [recall(1)], PLACES).two_way is None


def test_runs_tested_on_other_videos_are_compared_over_seeds_only(outcomes, tmp_path):
    for path in tmp_path.glob("runs/r3d18/hdc/**/outcomes.csv"):
        path.write_text(path.read_text().replace("07.avi", "other.avi"))
    found = difference((outcomes, outcomes), [probe("motion")], PLACES)
    assert found.paired.seeds == 5 and found.two_way is None


def test_a_run_that_the_study_lacks_has_no_difference(outcomes):
    other = Place("r3d18", "synthetic", "supervised")
    found = difference((outcomes, outcomes), [probe("motion")], (PLACES[0], other))
    assert found.paired is None and found.missing == "no seed that hdc and supervised share"
