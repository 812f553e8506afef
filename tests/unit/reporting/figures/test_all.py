"""Figures of planted records: what is drawn is read back and compared with hand-worked values."""

import csv
import json
from collections import Counter

import numpy as np
import pytest
from drawn_figures import drawn, lines, titled, words
from planted_comparisons import SHARES, plant_comparisons
from planted_study import plant

from hdc.analysis.results import read_results
from hdc.reporting.figures.cost import costs
from hdc.reporting.figures.style import drawn_alike

LONG = "coupled_with_an_exceedingly_long_name_of_a_run_that_nobody_shortened"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    runs = ("hdc", "measured_weights", "equal_weights", "coupled", "random_init")
    return drawn(plant(root, ablations=runs)), root


def test_retrieval_curve(pictures):
    """The last level has 0.56 on average, R@k 0.2 less and 0.008 a rank more."""
    _, up = lines(pictures[0]["retrieval_curve"].figure.axes[0])["hdc"]
    assert up == pytest.approx([100 * (0.36 + 0.008 * k) for k in (1, 5, 10, 20, 50)])


def test_factors_by_level(pictures):
    _, up = lines(titled(pictures[0]["factors"], "shape (%)"))["hdc"]
    assert up == pytest.approx([100 * (0.56 + 0.02 + less) for less in (-0.1, -0.05, 0)])


def test_factor_map_is_the_share_of_the_way_from_chance(pictures):
    picture = pictures[0]["factor_map"]
    panel, lowest = titled(picture, "hdc"), titled(picture, "random_init")
    names = [label.get_text() for label in lowest.get_xticklabels()]
    rows = [label.get_text() for label in panel.get_yticklabels()]
    image = np.asarray(panel.images[0].get_array())
    cell = image[rows.index("layer4"), names.index("shape")]
    assert cell == pytest.approx((0.58 - 0.125) / 0.875)
    still = image[rows.index("layer4.still"), names.index("motion")]
    assert still == 0  # 0.24 is below a chance of 0.25
    assert {"58", "0.28"} <= {text.get_text() for text in panel.texts}  # 0.56 / 2 is an R²


def test_costs(pictures):
    """20 steps of 8 videos in 3 views at 1.5 billion multiply-adds; 12.5 and 13.5 seconds."""
    table = costs(read_results(pictures[1] / "study.json")).droplevel(["backbone", "data"])
    assert table.loc["hdc", "work"] == 20 * 8 * 3 * 1.5e9
    assert table.loc["hdc", "seconds"] == 13
    assert table.loc["random_init", ["work", "seconds"]].tolist() == [0, 0]
    panel = pictures[0]["accuracy_and_cost"].figure.axes[0]
    assert lines(panel)["random_init"][1] == pytest.approx([36, 36])  # a line across


def test_a_pretraining_with_labels_sees_one_view(tmp_path):
    study = plant(tmp_path)
    for path in tmp_path.glob("runs/*/hdc/*/*/pretrain.json"):
        record = json.loads(path.read_text())
        record["settings"]["pretrain"]["labels"] = True
        path.write_text(json.dumps(record))
    assert costs(read_results(study)).loc[("r3d18", "synthetic", "hdc"), "work"] == 160 * 1.5e9


def predictions(root, run):
    rows = []
    for path in sorted(root.glob(f"runs/r3d18/{run}/**/predictions.csv")):
        with path.open() as file:
            rows += csv.DictReader(file)
    return rows


def test_class_accuracy(pictures):
    picture, root = pictures
    panel = picture["class_accuracy"].figure.axes[0]
    image = np.asarray(panel.images[0].get_array())
    classes = [label.get_text() for label in panel.get_yticklabels()]
    runs = [label.get_text() for label in panel.get_xticklabels()]
    for run in ("hdc", "coupled"):
        counts = Counter(row["label"] for row in predictions(root, run))
        right = Counter(
            row["label"] for row in predictions(root, run) if row["label"] == row["predicted"]
        )
        expected = [right[name] / counts[name] for name in classes]
        assert image[:, runs.index(run)] == pytest.approx(expected)
    first = image[:, 0]
    assert runs[0] == "hdc" and list(first) == sorted(first, reverse=True)


def test_confusion(pictures):
    picture, root = pictures
    panel = picture["confusion"].figure.axes[0]
    image = np.asarray(panel.images[0].get_array())
    names = [label.get_text() for label in panel.get_yticklabels()]
    rows = predictions(root, "hdc")
    pairs = Counter((row["label"], row["predicted"]) for row in rows)
    videos = Counter(row["label"] for row in rows)
    expected = [[pairs[true, seen] / videos[true] for seen in names] for true in names]
    assert image == pytest.approx(np.array(expected))
    lost = sum(row["predicted"] == "" for row in rows)
    assert lost and f"Not readable: {lost:,} of {len(rows):,}." in picture["confusion"].caption


def test_feature_map(pictures):
    panel = pictures[0]["feature_map"].figure.axes[0]
    points = np.vstack([np.asarray(marks.get_offsets()) for marks in panel.collections])
    angles = 2 * np.pi * np.arange(50) / 50
    expected = np.stack([np.cos(angles), 0.5 * np.sin(angles)], axis=1)
    assert sorted(map(tuple, points.round(6))) == sorted(map(tuple, expected.round(6)))
    assert panel.get_title() == "label" and panel.get_xlabel() == "first (40 % of variance)"
    assert "Not drawn" not in pictures[0]["feature_map"].caption


def test_the_feature_map_says_what_it_leaves_out_and_why(tmp_path):
    runs = ("hdc", *(f"run{number}" for number in range(7)))
    study = plant(tmp_path, ablations=runs, seeds=(0,), splits=(1,))
    for path in tmp_path.glob("runs/r3d18/run2/**/map.csv"):
        path.unlink()
    caption = drawn(study)["feature_map"].caption
    assert caption.endswith(
        " Not drawn, for want of room: run6. Not drawn, for want of a map: run2."
    )


def test_ablation_shows_the_mean_differences(tmp_path):
    study = plant_comparisons(tmp_path)
    panel = titled(drawn(study)["ablation"], "motion")
    dots = {line.get_ydata()[0]: line.get_xdata()[0] for line in panel.get_lines()
            if line.get_marker() == "o" and len(line.get_xdata())}  # fmt: skip
    gaps = [
        100 * np.mean(np.subtract(SHARES[run], SHARES["hdc"]))
        for run in ("single_level", "coupled")
    ]
    assert [dots[0], dots[1]] == pytest.approx(gaps)


def test_two_seeds_are_shown_themselves_and_no_interval(tmp_path):
    """Two differences of 10 and 20 points: Student's interval is from -48 to 78."""
    values = {"hdc": (0.5, 0.7), "coupled": (0.6, 0.9)}
    study = plant(tmp_path, ablations=tuple(values), splits=(1,),
                  shares=lambda run, seed, split: values[run][seed])  # fmt: skip
    found = drawn(study)
    panel = titled(found["ablation"], "top-1")
    rings = [list(line.get_xdata()) for line in panel.get_lines() if line.get_markersize() == 4]
    assert any(ring == pytest.approx([10, 20]) for ring in rings)
    assert panel.get_xlim()[0] > -5 and panel.get_xlim()[1] < 25
    legend = [text.get_text() for text in found["ablation"].figure.legends[0].texts]
    assert legend == ["mean over seeds", "each seed"]
    bars = costs(read_results(study)).droplevel(["backbone", "data"])
    assert bars.loc["coupled", ["low", "high"]].tolist() == [0.6, 0.9]
    assert found["accuracy_and_cost"].figure.axes[0].get_ylim()[1] < 95


def test_the_figure_of_ablations_says_which_side_is_better_and_why_a_band_is_narrow(tmp_path):
    picture = drawn(plant_comparisons(tmp_path))["ablation"]
    drawn_panels = [panel for panel in picture.figure.axes if panel.axison]
    assert {panel.get_xlabel() for panel in drawn_panels} == {"worse ← points → better"}
    assert "where it is the narrower one it is too narrow" in picture.caption


def test_names_of_data_sets_do_not_overlap(tmp_path):
    names = tuple(f"a_data_set_with_a_long_name_{number}" for number in range(4))
    picture = drawn(plant(tmp_path, data_sets=names, ablations=("hdc", "coupled")))["ablation"]
    with drawn_alike():
        assert picture.png  # lays out
        titles = [part._suptitle for part in picture.figure.subfigs]
        assert [text.get_text() for text in titles] == [f"r3d18, {name}" for name in names]
        boxes = [text.get_window_extent() for text in titles]
        boxes += [panel.get_tightbbox() for panel in picture.figure.axes]
    page = picture.figure.bbox
    assert all(box.x0 >= page.x0 and box.x1 <= page.x1 for box in boxes)
    overlaps = [
        (first, second)
        for place, first in enumerate(boxes)
        for second in boxes[:place]
        if first.overlaps(second)
    ]
    assert not overlaps


def test_a_run_without_records_is_missing_in_the_figure(tmp_path):
    study = plant(tmp_path)
    for path in tmp_path.glob("runs/r3d18/random_init/**/finetune.json"):
        path.unlink()
    assert "missing" in words(drawn(study)["ablation"].figure)


def test_one_run_has_no_differences(tmp_path):
    picture = drawn(plant(tmp_path, ablations=("hdc",)))["ablation"]
    assert picture.caption == "No run but hdc." and "no records" in words(picture.figure)


def test_without_the_base_run_there_are_no_differences(tmp_path):
    picture = drawn(plant(tmp_path, ablations=("supervised", "random_init")))["ablation"]
    assert not picture.drawn and picture.caption == "This study has no run hdc to compare with."
    assert picture.caption in words(picture.figure)


def test_the_same_bytes_each_time(tmp_path):
    study = plant(tmp_path)
    first, second = drawn(study), drawn(study)
    for name, picture in first.items():
        assert (picture.png, picture.pdf) == (second[name].png, second[name].pdf)


def test_without_any_record_every_figure_says_so(tmp_path):
    study = plant(tmp_path)
    for path in (tmp_path / "runs").rglob("*.*"):
        path.unlink()
    for name, picture in drawn(study).items():
        assert picture.png.startswith(b"\x89PNG")
        said = words(picture.figure)
        assert ("missing" if name == "ablation" else "no records to draw") in said


def test_records_from_before_maps_and_predictions(tmp_path):
    study = plant(tmp_path)
    for name in ("map.csv", "predictions.csv"):
        for path in tmp_path.rglob(name):
            path.unlink()
    for path in tmp_path.rglob("evaluate.json"):
        record = json.loads(path.read_text())
        del record["metrics"]["map_shares"]
        path.write_text(json.dumps(record))
    found = drawn(study)
    for name in ("class_accuracy", "confusion", "feature_map"):
        assert "no records to draw" in words(found[name].figure)
    assert "no records to draw" not in words(found["factor_map"].figure)


def test_many_classes_and_long_names_fit(tmp_path):
    classes = tuple(f"class_{number:03d}_{'x' * 20}" for number in range(40))
    study = plant(tmp_path, ablations=("hdc", LONG, "coupled"), classes=classes)
    for picture in drawn(study).values():
        with drawn_alike():
            assert picture.png  # lays out
            figure = picture.figure
            page = figure.bbox
            for axes in figure.axes:
                box = axes.get_tightbbox()
                if axes.get_visible() and box is not None and axes.axison:
                    assert box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1, picture.name
                    assert box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1, picture.name
                    assert min(axes.bbox.width, axes.bbox.height) > 5, picture.name


def test_of_many_classes_the_ends_are_shown(monkeypatch, tmp_path):
    monkeypatch.setattr("hdc.reporting.figures.classes.MOST_CLASSES", 40)
    study = plant(tmp_path, classes=tuple(f"{number:03d}" for number in range(50)))
    picture = drawn(study)["class_accuracy"]
    names = [label.get_text() for label in picture.figure.axes[0].get_yticklabels()]
    assert len(names) == 31 and names[15] == "⋮"
    assert picture.caption.endswith("the 15 best and the 15 worst.")
