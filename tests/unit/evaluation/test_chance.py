"""What is found by chance: the share of all draws, counted one by one."""

import json
from itertools import combinations

import numpy as np
import pytest
from planted_study import plant

from hdc.analysis.results import read_results
from hdc.evaluation.chance import hit_by_chance
from hdc.reporting.figures.retrieval import retrieval_curve
from hdc.reporting.figures.style import drawn_alike
from hdc.reporting.tables.all import retrieval_table


@pytest.mark.parametrize("k", [1, 2, 3, 6, 7, 50])
def test_the_share_of_draws_with_a_hit(k):
    gallery = "aaabbcc"
    drawn = list(combinations(gallery, min(k, len(gallery))))
    expected = [np.mean([label in draw for draw in drawn]) for label in "abd"]
    same = np.array([gallery.count(label) for label in "abd"])
    assert hit_by_chance(same, entries=len(gallery), k=k) == pytest.approx(expected)


def study(root, **facts):
    """A study whose evaluations have some `facts`, too: metrics and protocol."""
    path = plant(root, splits=(1,))
    for file in root.rglob("evaluate.json"):
        record = json.loads(file.read_text())
        record["metrics"] = {**record["metrics"], **facts.get("metrics", {})}
        record["protocol"] = {**record["protocol"], **facts.get("protocol", {})}
        file.write_text(json.dumps(record))
    return read_results(path)


def curve(results):
    with drawn_alike():
        picture = retrieval_curve(results)
    [line] = [one for one in picture.figure.axes[0].lines if one.get_label() == "chance"]
    return dict(line.get_xydata().tolist()), picture.caption


def test_the_figure_has_the_recorded_chance_of_each_k(tmp_path):
    recorded = {f"r{k}": k / 100 for k in (1, 5, 10, 20, 50)}
    results = study(tmp_path, metrics={"retrieval_chance": recorded})
    points, caption = curve(results)
    assert points == pytest.approx({0: 1, 1: 5, 2: 10, 3: 20, 4: 50})
    assert "lack the sizes" not in caption
    said = "Chance on synthetic (%): R@1 1.0, R@5 5.0, R@10 10.0, R@20 20.0, R@50 50.0."
    assert said in retrieval_table(results).caption


def test_of_records_without_class_sizes_it_is_that_of_equal_classes_and_said(tmp_path):
    results = study(tmp_path, metrics={"chance": 0.25}, protocol={"gallery_videos": 8})
    points, caption = curve(results)
    two_of_eight = hit_by_chance(np.array([2]), entries=8, k=5)[0]
    assert points == pytest.approx({0: 25, 1: 100 * two_of_eight, 2: 100, 3: 100, 4: 100})
    assert "The records lack the sizes of the classes" in caption
    assert "R@5" not in retrieval_table(results).caption.partition("Chance on")[2]


def test_what_no_record_tells_is_not_drawn(tmp_path):
    assert list(curve(study(tmp_path))[0]) == [0]  # of R@1 only: the size of the gallery lacks
