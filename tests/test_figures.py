"""Figures of planted records: what is drawn is read back and compared with hand-worked values."""

import csv
import json
from collections import Counter

import numpy as np
import pytest
from matplotlib.figure import Figure
from planted_contrasts import SHARES, plant_contrasts
from planted_study import plant

from hdc.cost_figure import costs
from hdc.drawing import Picture, drawn_alike
from hdc.figures import all_figures
from hdc.results import read_results

LONG = "coupled_with_an_exceedingly_long_name_of_a_run_that_nobody_shortened"


def drawn(study) -> dict[str, Picture]:
    return {picture.name: picture for picture in all_figures(read_results(study))}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    runs = ("hdc", "measured_weights", "equal_weights", "coupled", "random_init")
    return drawn(plant(root, ablations=runs)), root


def lines(panel) -> dict[str, tuple[list, list]]:
    """The named lines of a panel: across and up."""
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in panel.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def titled(picture, title):
    [panel] = [panel for panel in picture.figure.axes if panel.get_title() == title]
    return panel


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_retrieval_curve(pictures):
    """The last level has 0.56 on average, R@k 0.2 less and 0.008 a rank more."""
    _, up = lines(pictures[0]["retrieval_curve"].figure.axes[0])["hdc"]
    assert up == pytest.approx([100 * (0.36 + 0.008 * k) for k in (1, 5, 10, 20, 50)])


def test_training_curves_are_means_over_seeds(pictures):
    across, up = lines(titled(pictures[0]["training_curves"], "loss"))["hdc"]
    assert across == list(range(1, 21))
    assert up == pytest.approx([4 / step**0.1 + 0.01 for step in across])


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


def test_level_weights(pictures):
    picture = pictures[0]["level_weights"]
    fixed = lines(titled(picture, "hdc"))
    assert {term: set(up) for term, (_, up) in fixed.items()} == {
        f"{kind} {level}": {weight}
        for kind in ("spatial", "temporal")
        for level, weight in {"layer2": 0.25, "layer3": 0.5, "layer4": 1.0}.items()
    }
    across, up = lines(titled(picture, "measured_weights"))["temporal layer3"]
    assert up == pytest.approx([0.2 + 0.01 * step + 0.01 for step in across])
    shown = {panel.get_title() for panel in picture.figure.axes}
    assert not {"coupled", "random_init"} & shown  # one term, and none


def test_runs_with_the_same_weights_share_a_panel(tmp_path):
    picture = drawn(plant(tmp_path, ablations=("hdc", "equal_weights", "also_equal")))
    panels = {panel.get_title() for panel in picture["level_weights"].figure.axes}
    assert "equal_weights and 1 more" in panels and "also_equal" not in panels
    assert "The same as equal_weights: also_equal." in picture["level_weights"].caption


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
    # Four rows are shown of five runs.
    assert pictures[0]["feature_map"].caption.endswith("of a map: random_init.")


def test_ablation_shows_the_mean_differences(tmp_path):
    study = plant_contrasts(tmp_path)
    panel = titled(drawn(study)["ablation"], "motion")
    dots = {line.get_ydata()[0]: line.get_xdata()[0] for line in panel.get_lines()
            if line.get_marker() == "o" and len(line.get_xdata())}  # fmt: skip
    gaps = [
        100 * np.mean(np.subtract(SHARES[run], SHARES["hdc"]))
        for run in ("single_level", "coupled")
    ]
    assert [dots[0], dots[1]] == pytest.approx(gaps)


def test_a_run_without_records_is_missing_in_the_figure(tmp_path):
    study = plant(tmp_path)
    for path in tmp_path.glob("runs/r3d18/random_init/**/finetune.json"):
        path.unlink()
    assert "missing" in words(drawn(study)["ablation"].figure)


def test_one_run_has_no_differences(tmp_path):
    picture = drawn(plant(tmp_path, ablations=("hdc",)))["ablation"]
    assert picture.caption == "No run but hdc." and "no records" in words(picture.figure)


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
    monkeypatch.setattr("hdc.class_figures.MOST_CLASSES", 40)
    study = plant(tmp_path, classes=tuple(f"{number:03d}" for number in range(50)))
    picture = drawn(study)["class_accuracy"]
    names = [label.get_text() for label in picture.figure.axes[0].get_yticklabels()]
    assert len(names) == 31 and names[15] == "⋮"
    assert picture.caption.endswith("the 15 best and the 15 worst.")
