"""docs/findings.md says what the published records say, and the ceiling it rests on is reached."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

SHARED = ("clip", "augment", "backbone")  # what the ceiling has in common with the study
MEASURES = ("linear_motion", "linear_shape", "top1", "r1")


@pytest.fixture(scope="module")
def published(root):
    return root / "results/published"


def factors(folder):
    """Probes of the last level and of its controls, a row a run and level."""
    table = pd.read_csv(folder / "tables/factors.csv")
    return table[table.level.str.startswith("layer4")].set_index(["ablation", "level"])


def settings(folder, ablation):
    [first, *_] = sorted(folder.glob(f"runs/r3d18/{ablation}/seed0/*/pretrain.json"))
    return json.loads(first.read_text())["settings"]


def rows(text, columns):
    """The rows of the one table of a page with so many columns, by the name of the run."""
    found = re.findall(r"^\| `(\w+)` ((?:\|[^|\n]*)+)\|$", text, flags=re.MULTILINE)
    cells = [(name, [cell.strip() for cell in rest.split("|")[1:]]) for name, rest in found]
    return {name: row for name, row in cells if len(row) == columns}


@pytest.mark.parametrize("factor", ["shape", "motion"])
def test_the_ceiling_is_reached(published, factor):
    table = factors(published / "ceiling")[factor]
    assert table["supervised", "layer4"] >= 0.9
    assert table["supervised", "layer4"] - table["random_init", "layer4"] > 0.1


def test_labels_teach_nothing_that_the_generator_hides(published):
    """Still clips have no motion, shuffled ones no direction: 3 standard errors at most."""
    table = factors(published / "ceiling")
    videos = 400
    for factor, level, chance in [
        ("motion", "layer4.still", 0.1),
        ("motion_direction", "layer4.shuffled", 0.5),
        ("background", "layer4", 1 / 34),
    ]:
        error = (chance * (1 - chance) / videos) ** 0.5
        assert abs(table[factor]["supervised", level] - chance) < 3 * error, (factor, level)


@pytest.mark.parametrize("part", SHARED)
def test_the_ceiling_is_that_of_the_study(published, part):
    ceiling = settings(published / "ceiling", "supervised")[part]
    assert ceiling == settings(published / "synthetic", "hdc")[part]


def test_every_row_had_the_same_training(published):
    """All but two rows, whose training is what they ask about, differ in nothing of it."""
    found = {
        folder.name: settings(published / "synthetic", folder.name)["pretrain"]
        for folder in (published / "synthetic/runs/r3d18").iterdir()
    }
    assert len(found) == 11
    assert found["hdc"]["epochs"] == 12 and found["hdc"]["epochs_factor"] == 1
    different = {"coupled_longer": {"epochs_factor": 1.5}, "random_init": {"epochs": 0}}
    for name, one in found.items():
        assert one == found["hdc"] | different.get(name, {}), name


def test_the_table_of_the_findings_is_that_of_the_records(root, published):
    told = rows((root / "docs/findings.md").read_text(), 5)
    table = factors(published / "synthetic")
    expected = {
        name: [
            *(
                f"{100 * row[factor]:.1f} ± {100 * row[factor + '_spread']:.1f}"
                for factor in ("label", "shape", "motion", "motion_direction")
            ),
            f"{row.motion_seeds:.0f}",
        ]
        for (name, level), row in table.iterrows()
        if level == "layer4"
    }
    assert told == expected


def test_the_contrasts_of_the_findings_are_those_of_the_records(root, published):
    text = (root / "docs/findings.md").read_text()
    for _, row in pd.read_csv(published / "synthetic/tables/contrasts.csv").iterrows():
        numbers = [
            f"{100 * row.difference:+.1f}",
            f"{100 * row.low:.1f} to {100 * row.high:.1f}",
            f"{100 * row.two_way_low:.1f} to {100 * row.two_way_high:.1f}",
            f"{row.p_holm:.2f}" if row.p_holm >= 0.01 else f"{row.p_holm:.1g}",
            row.answer,
        ]
        line = f"| `{row.run}` - `{row.against}` | {row.measures} | " + " | ".join(numbers) + " |"
        assert line in text


def test_the_differences_of_the_findings_are_those_of_the_records(root, published):
    told = rows((root / "docs/findings.md").read_text(), 4)
    table = pd.read_csv(published / "synthetic/tables/ablation.csv").set_index("ablation")
    expected = {}
    for name, row in (100 * table.drop(index="hdc").select_dtypes("number")).iterrows():
        expected[name] = [
            f"{row[one]:+.1f} ({row[one + '_low']:.1f} to {row[one + '_high']:.1f})"
            for one in (f"{measure}_difference" for measure in MEASURES)
        ]
    assert told == expected


def probe(folder, run, factor):
    """What the probe of the last level reads of a factor, in %, seed after seed."""
    found = [
        json.loads(path.read_text())["metrics"]["linear"]["layer4"][factor]["accuracy"]
        for path in sorted(folder.glob(f"runs/r3d18/{run}/seed*/*/synthetic/split1/evaluate.json"))
    ]
    return 100 * np.array(found)


def test_the_pairs_of_the_findings_are_those_of_the_records(root, published):
    """Sums and differences of runs, with Student's interval over seeds from SciPy."""
    line = r"^\| ((?:[+ -]*`\w+`)+) \| (motion|shape) \| (\S+) \| (\S+) to (\S+) \|$"
    pairs = re.findall(line, (root / "docs/findings.md").read_text(), flags=re.MULTILINE)
    assert len(pairs) == 13
    for names, factor, *told in pairs:
        terms = re.findall(r"([+-]?) ?`(\w+)`", names)
        values = sum(
            (-1 if sign == "-" else 1) * probe(published / "synthetic", run, factor)
            for sign, run in terms
        )
        assert len(values) == 5
        interval = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
        expected = [values.mean(), *interval]
        assert [float(one) for one in told] == pytest.approx(expected, abs=0.0501), names


@pytest.mark.parametrize(
    "study, backgrounds", [("shortcut", "tell"), ("shortcut_control", "plain")]
)
def test_the_shortcut_of_the_findings_is_that_of_the_records(root, published, study, backgrounds):
    text = (root / "docs/findings.md").read_text()
    table = pd.read_csv(published / study / "tables/factors.csv")
    table = table[table.level == "layer4"].set_index(["ablation", "data"])
    probes = [
        "synthetic",
        "synthetic_reversed",
        "synthetic_shortcut",
        "synthetic_shortcut_reversed",
    ]
    for run in ["hdc", "coupled", "coupled_three_crops", "random_init"]:
        cells = [
            f"{100 * row.motion:.1f} ± {100 * row.motion_spread:.1f}"
            for _, row in table.loc[run].loc[probes].iterrows()
        ]
        assert f"| {backgrounds} | `{run}` | " + " | ".join(cells) + " |" in text
