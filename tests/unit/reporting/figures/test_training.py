"""Figures of planted training logs: losses and weights of the levels."""

import pytest
from drawn_figures import drawn, lines, titled
from planted_study import plant

from hdc.analysis.results import read_results
from hdc.report import page
from hdc.reporting.figures.all import all_figures


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    runs = ("hdc", "measured_weights", "equal_weights", "coupled", "random_init")
    return drawn(plant(tmp_path_factory.mktemp("study"), ablations=runs))


def test_training_curves_are_means_over_seeds(pictures):
    across, up = lines(titled(pictures["training_curves"], "loss"))["hdc"]
    assert across == list(range(1, 21))
    assert up == pytest.approx([4 / step**0.1 + 0.01 for step in across])


def test_a_single_contrast_of_clips_is_not_called_temporal(pictures):
    """The records of the planted `coupled` have no spatial subtask, its log a `temporal_layer4`."""
    picture = pictures["training_curves"]
    assert set(lines(titled(picture, "coupled layer4"))) == {"coupled"}
    decoupled = {"hdc", "measured_weights", "equal_weights"}
    assert set(lines(titled(picture, "temporal layer4"))) == decoupled
    assert set(lines(titled(picture, "loss"))) == decoupled | {"coupled"}


def test_level_weights_that_change_are_drawn(pictures):
    picture = pictures["level_weights"]
    across, up = lines(titled(picture, "measured_weights"))["temporal layer3"]
    assert up == pytest.approx([0.2 + 0.01 * step + 0.01 for step in across])
    shown = {panel.get_title() for panel in picture.figure.axes}
    assert not {"hdc", "equal_weights", "coupled", "random_init"} & shown
    fixed = "Fixed at spatial 0.25, 0.5, 1; temporal 0.25, 0.5, 1: hdc."
    assert picture.drawn and fixed in picture.caption
    assert "coupled" not in picture.caption  # one term


def test_level_weights_that_never_change_are_told_and_left_out(tmp_path):
    results = read_results(plant(tmp_path, ablations=("hdc", "equal_weights", "also_equal")))
    pictures = all_figures(results)
    [picture] = [one for one in pictures if one.name == "level_weights"]
    equal = "Fixed at spatial 1, 1, 1; temporal 1, 1, 1: equal_weights, also_equal."
    assert not picture.drawn and equal in picture.caption
    shown = page(results, [], pictures)
    assert equal in shown and 'alt="Weights of the levels"' not in shown
    assert 'alt="Training curves"' in shown


def test_runs_with_the_same_weights_share_a_panel(tmp_path):
    picture = drawn(plant(tmp_path, ablations=("hdc", "measured_weights", "measured_again")))
    panels = {panel.get_title() for panel in picture["level_weights"].figure.axes}
    assert "measured_weights and 1 more" in panels and "measured_again" not in panels
    assert "The same as measured_weights: measured_again." in picture["level_weights"].caption


def test_the_spread_of_embeddings_is_drawn_by_term_and_the_rank_of_the_last_level(pictures):
    picture = pictures["embedding_spread"]
    across, up = lines(titled(picture, "spread spatial layer3"))["hdc"]
    assert across == list(range(1, 21))
    assert up == pytest.approx([0.61] * 20)  # mean of two seeds
    assert set(lines(titled(picture, "spread coupled layer4"))) == {"coupled"}
    assert lines(titled(picture, "rank temporal layer4"))["hdc"][1] == pytest.approx([12.0] * 20)
    titles = {panel.get_title() for panel in picture.figure.axes}
    assert not {"rank temporal layer3", "rank spatial layer2"} & titles
