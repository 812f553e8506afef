"""docs/findings.md says what the published records say; the ceiling that it rests on is reached."""

import importlib.util
import re

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from scipy.stats import spearmanr

DATA = "synthetic_more"
SHARED = ("clip", "augment", "backbone")  # what the ceiling has in common with the study
DIFFERENCE = ["top1_difference", "top1_difference_low", "top1_difference_high"]
DIFFERENT = {  # the rows whose training is what they ask about
    "coupled_longer": {"epochs_factor": 1.5},
    "random_init": {"epochs": 0},
}


@pytest.fixture(scope="module")
def findings(root):
    """The script that writes the page's tables."""
    spec = importlib.util.spec_from_file_location("findings", root / "docs/findings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(findings):
    return findings.PAGE.read_text()


def settings(findings, study, run):
    first, *_ = findings.whole_records(study, run, "/pretrain.json")
    return first["settings"]


def test_the_tables_are_those_of_the_records(findings, page):
    assert len(findings.MARKER.findall(page)) >= 8
    assert findings.written(page) == page


def test_numbers_of_the_text_are_numbers_of_the_tables(page):
    """Every number with a decimal of what was found stands in a table of the page."""
    found = page.split("## Found")[1].split("## What this does not say")[0]
    lines = found.splitlines()
    tables = " ".join(line for line in lines if line.startswith("|"))
    text = " ".join(line for line in lines if not line.startswith(("|", "<!--")))
    told = set(re.findall(r"\d+\.\d+", text))
    assert told <= set(re.findall(r"\d+\.\d+", tables))


def test_what_was_read_of_pairs_not_seen_followed_the_motion(findings, page):
    """Why it is taken back: correlations over runs, of the drop with what is read of either."""
    runs = [run for run in findings.runs_of("synthetic") if run != "random_init"]
    records = [
        each for run in runs for each in findings.records("synthetic", run, "evaluate", DATA)
    ]
    dropped = [each["combinations"]["layer4"]["shape"]["drop"] for each in records]
    assert f"{len(records)}\npretrained runs" in page
    for factor, told in (("motion", "(Spearman {})"), ("shape", "shape is\n({})")):
        read = [each["linear"]["layer4"][factor]["accuracy"] for each in records]
        correlation = f"{spearmanr(dropped, read).statistic:.2f}".removeprefix("0")
        assert told.format(correlation) in page


def test_the_script_agrees_with_the_tables_of_the_study(findings):
    """Its means and intervals are made apart from those of the package."""
    folder = findings.PUBLISHED / "synthetic/tables"
    factors = pd.read_csv(folder / "factors.csv")
    factors = factors[factors.level == "layer4"].set_index("ablation")
    compared = pd.read_csv(folder / "ablation.csv").set_index("ablation")
    for run in findings.runs_of("synthetic"):
        for factor in findings.READ:
            values = findings.read("synthetic", run, factor)
            assert len(values) == factors.motion_seeds[run] == 5
            row = factors.loc[run]
            expected = 100 * row[factor], 100 * row[f"{factor}_spread"]
            assert (values.mean(), values.std(ddof=1)) == pytest.approx(expected)
        if run != "hdc":
            mine = [findings.measured("synthetic", one, "top-1") for one in (run, "hdc")]
            row = 100 * compared.loc[run, DIFFERENCE].astype(float)
            told = findings.interval(mine[0] - mine[1])
            numbers = [float(one) for one in re.findall(r"[+-]?\d+\.\d+", told)]
            assert numbers == pytest.approx(list(row), abs=0.0501)


@pytest.mark.parametrize("factor", ["shape", "motion"])
def test_the_ceiling_is_reached(findings, factor):
    """Of the study's own videos: 90 % or more, and far above the network before any training."""
    supervised, untrained = (
        findings.read("ceiling", run, factor) for run in ("supervised", "random_init")
    )
    assert supervised.min() >= 90
    assert supervised.min() - untrained.max() > 10


def test_labels_teach_nothing_that_the_generator_hides(findings):
    """Still clips have no motion, shuffled ones no direction: 3 standard errors at most."""
    videos = 400
    for factor, level, chance in [
        ("motion", "layer4.still", 10),
        ("motion_direction", "layer4.shuffled", 50),
        ("background", "layer4", 100 / 34),
    ]:
        error = np.sqrt(chance * (100 - chance) / videos)
        found = findings.read("ceiling", "supervised", factor, level=level)
        assert abs(found - chance).max() < 3 * error, (factor, level)


@pytest.mark.parametrize("part", SHARED)
def test_the_ceiling_is_that_of_the_study(findings, part):
    ceiling = settings(findings, "ceiling", "supervised")[part]
    assert ceiling == settings(findings, "synthetic", "hdc")[part]


@pytest.mark.parametrize("study", ["synthetic", "shortcut", "shortcut_control"])
def test_every_row_had_the_same_training(findings, study):
    """All differ in nothing of it but the learning rate, and two in what they ask about."""
    found = {run: settings(findings, study, run)["pretrain"] for run in findings.runs_of(study)}
    base = settings(findings, "synthetic", "hdc")["pretrain"]
    for run, one in found.items():
        rate = {"learning_rate": one["learning_rate"]}
        assert one == base | DIFFERENT.get(run, {}) | rate, run


def test_learning_rates_are_the_best_of_as_many_for_every_row(findings):
    tried = pd.read_csv(findings.RATES)
    counts = tried.groupby("ablation").learning_rate.agg(lambda rates: tuple(sorted(rates)))
    assert set(counts) == {(0.03, 0.1, 0.3)}
    best = findings.best_rates(tried) | {"random_init": 0.03}
    best["coupled_longer"] = best["coupled"]
    for study in ("synthetic", "shortcut", "shortcut_control"):
        for run in findings.runs_of(study):
            assert settings(findings, study, run)["pretrain"]["learning_rate"] == best[run], run


def test_what_pairing_by_seed_buys(findings, root):
    """The mean correlation over seeds of every two runs, as docs/protocol.md quotes it."""
    text = (root / "docs/protocol.md").read_text()
    words = {"motion": "motion", "shape": "shape", "label": "the label",
             "top-1": "fine-tuned top-1", "R@1": "R@1"}  # fmt: skip
    runs = findings.runs_of("synthetic")
    for measure, name in words.items():
        values = [findings.measured("synthetic", run, measure) for run in runs]
        correlations = np.corrcoef(values)[np.triu_indices(len(runs), 1)]
        assert len(correlations) == 66
        [told] = re.findall(rf"(-?\d\.\d\d)\sin\s{name}", text)
        assert correlations.mean() == pytest.approx(float(told), abs=0.0051), measure


def test_how_often_the_published_probes_wanted_another_strength(findings, root):
    """Of shape at the last level, as hdc/conf/evaluate says; the grid now goes on at both ends."""
    chosen = [
        one["linear"]["layer4"]["shape"]["strength"]
        for run in findings.runs_of("synthetic")
        for one in findings.records("synthetic", run, "evaluate", findings.DATA)
    ]
    low, high = chosen.count(0.01), chosen.count(100.0)
    text = (root / "hdc/conf/evaluate/default.yaml").read_text()
    told = f"{low + high} of {len(chosen)} probes of shape ended at an end, {high} of them at 100"
    assert told in text
    grid = OmegaConf.create(text).probe_strengths
    assert min(grid) < 0.01 and max(grid) > 100
