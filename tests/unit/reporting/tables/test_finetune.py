"""Heads on frozen encoders in the tables: their controls beside them, and no published values."""

import json

import pytest
from planted_study import plant

from hdc.analysis.results import read_results
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.figures.all import all_figures
from hdc.reporting.tables.all import all_tables, finetune_table

TRAINED = "attentive head, frozen encoder"


@pytest.fixture
def results(tmp_path):
    """ucf101 by an attentive head: a control has 0.2, 0.3, 0.4 less than the plain clips."""
    study = plant(tmp_path, data_sets=("ucf101",))
    for path in tmp_path.glob("runs/**/finetune.json"):
        record = json.loads(path.read_text())
        less = {"still": 0.2, "shuffled": 0.1, "reversed": 0.0}
        record["metrics"]["controls"] = {
            name: {"top1": record["metrics"]["top1"] - gap} for name, gap in less.items()
        }
        record["protocol"]["trained"] = TRAINED
        path.write_text(json.dumps(record))
    return read_results(study)


def test_controls_stand_beside_the_head_and_no_published_value_below(results):
    table = finetune_table(results)
    assert table.text.columns.tolist() == [
        "run", "ucf101 top-1 (%)", "ucf101 still (%)", "ucf101 shuffled (%)",
        "ucf101 reversed (%)", "n",
    ]  # fmt: skip
    assert table.text.run.tolist() == ["hdc", "random_init"]
    hdc = table.numbers.iloc[0]
    assert hdc.ucf101_top1 == pytest.approx(0.56)
    assert hdc.ucf101_still_top1 == pytest.approx(0.36)
    assert hdc.ucf101_reversed_top1 == pytest.approx(0.56)
    assert table.title == f"Video top-1, {TRAINED}"


def test_nothing_calls_such_a_head_fine_tuned(results):
    shown = [*all_tables(results, Outcomes(results)), *all_figures(results)]
    words = [f"{one.title} {one.caption}".lower() for one in shown]
    words += [
        text.lower() for picture in shown if hasattr(picture, "texts") for text in picture.texts
    ]
    assert not [text for text in words if "fine-tuned" in text]
    assert sum(TRAINED in text for text in words) > 5
