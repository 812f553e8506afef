"""What `evaluate.recall_at` asks for is what tables, figures and comparisons show."""

import json

import numpy as np
import pytest
from planted_study import plant

from hdc.analysis.measures import named
from hdc.analysis.results import read_results
from hdc.analysis.video_outcomes import Outcomes
from hdc.commands.compare import compare
from hdc.reporting.figures.retrieval import retrieval_curve
from hdc.reporting.figures.style import drawn_alike
from hdc.reporting.tables.ablation import ablation_table
from hdc.reporting.tables.all import retrieval_table
from hdc.runtime.errors import InputError
from hdc.study.study import Study


@pytest.fixture
def study(tmp_path):
    """Write a study whose runs were asked for R@k at some k each; R@k is k %."""

    def write(folder="study", **asked):
        path = plant(tmp_path / folder, ablations=tuple(asked), splits=(1,))
        for record in path.parent.rglob("evaluate.json"):
            content = json.loads(record.read_text())
            ks = next(ks for run, ks in asked.items() if f"/{run}/" in str(record))
            levels = content["metrics"]["retrieval"]
            content["metrics"]["retrieval"] = {
                level: {f"r{k}": k / 100 for k in ks} for level in levels
            }
            record.write_text(json.dumps(content))
        return path

    return write


def recalls(table):
    return [title for title in table.text if title.startswith("R@")]


def test_tables_have_what_was_asked_for(study):
    results = read_results(study(hdc=[3, 1], random_init=[3, 1]))
    table = retrieval_table(results)
    assert recalls(table) == ["R@1 (%)", "R@3 (%)"] and "r3_spatial_max" in table.numbers
    assert table.text["R@3 (%)"].tolist() == ["3.0 ± 0.0", "3.0 ± 0.0"]
    assert "Chance on synthetic (%): R@1 2.1" in table.caption


def test_a_run_that_was_asked_for_others_shows_its_own(study):
    results = read_results(study(hdc=[1, 3], random_init=[1, 5]))
    shown = retrieval_table(results).text
    assert recalls(retrieval_table(results)) == ["R@1 (%)", "R@3 (%)", "R@5 (%)"]
    assert shown["R@5 (%)"][0].startswith("missing") and shown["R@5 (%)"][1].startswith("5.0")
    with drawn_alike():
        panel = retrieval_curve(results).figure.axes[0]
    curves = {line.get_label(): line.get_xydata().tolist() for line in panel.lines}
    assert curves["hdc"] == pytest.approx(np.array([[0, 1], [1, 3]]))
    assert curves["random_init"] == pytest.approx(np.array([[0, 1], [2, 5]]))


def test_runs_are_compared_by_the_nearest_that_was_asked_for(study):
    results = read_results(study(hdc=[2, 4], random_init=[2, 4]))
    table = ablation_table(Outcomes(results), [])
    assert recalls(table) == ["R@2 (%)"] and "Δ R@2" in table.text
    for each in (table, retrieval_table(results)):
        assert "R@1" not in each.caption


def test_studies_are_compared_by_all_that_either_was_asked_for(study):
    folders = [study("a", hdc=[1, 3]).parent, study("b", hdc=[1, 5]).parent]
    rows = {row["measure"]: row for row in json.loads(compare(*folders, as_json=True))["numbers"]}
    assert (rows["r1"]["first"], rows["r1"]["second"]) == (0.01, 0.01)
    assert (rows["r3"]["first"], rows["r3"]["second"]) == (0.03, None)
    assert (rows["r5"]["first"], rows["r5"]["second"]) == (None, 0.05)


def test_comparisons_can_ask_for_it_and_for_nothing_else(study, workplace, monkeypatch):
    results = read_results(study(hdc=[1, 3]))
    assert named(results, "r3").title == "R@3 (%)"
    with pytest.raises(InputError, match=r"expected one of top1, r1, r3, .*, found r5"):
        named(results, "r5")
    monkeypatch.chdir(workplace)
    comparison = {"question": "Why?", "run": "hdc", "against": "random_init", "measure": "r3"}
    config = {
        "study": "demo", "scale": "demo", "pretrain_on": "same", "evaluate_on": {"synthetic": [1]},
        "backbones": ["r3d18"], "ablations": ["hdc", "random_init"], "seeds": [0],
        "comparisons": [comparison],
    }  # fmt: skip
    said = r"measure: expected one of r1, r5, .* as evaluate.recall_at of hdc says, got r3"
    with pytest.raises(InputError, match=said):
        Study.read(config)
