"""The figure of few labels: what is drawn against the planted records."""

import json

import pytest
from drawn_figures import lines
from planted_study import plant

from hdc.analysis.results import read_results
from hdc.reporting.figures.few_labels import few_labels, label_curves
from hdc.reporting.figures.style import drawn_alike


@pytest.fixture
def results(tmp_path):
    """200 training videos: 48 have a label, or 120; accuracies are 1/4, 1/2 and all of 0.56."""
    study = plant(tmp_path)
    for path in tmp_path.glob("runs/**/evaluate.json"):
        record = json.loads(path.read_text())
        record["metrics"]["few_labels"]["layer4"]["10 videos"]["labels"] = 120
        path.write_text(json.dumps(record))
    return read_results(study)


def test_a_line_goes_through_every_amount_of_labels(results):
    with drawn_alike():
        picture = few_labels(results)
    [panel] = picture.figure.axes
    across, up = lines(panel)["hdc"]
    assert across == pytest.approx([24, 60, 100])
    assert up == pytest.approx([14, 28, 56])
    assert [text.get_text() for text in panel.get_xticklabels()] == ["24", "60", "100"]
    assert panel.get_xscale() == "log" and picture.drawn


def test_records_without_few_labels_draw_nothing(tmp_path):
    study = plant(tmp_path)
    for path in tmp_path.glob("runs/**/evaluate.json"):
        record = json.loads(path.read_text())
        del record["metrics"]["few_labels"]
        path.write_text(json.dumps(record))
    results = read_results(study)
    with drawn_alike():
        assert label_curves(results).empty and not few_labels(results).drawn
