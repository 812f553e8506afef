"""Writes the tables of docs/findings.md anew, each below its marker, from the published records.

A marker is a line such as `<!-- pairs hdc-coupled -->`: the name of a table, then what it shows.
Means and intervals are computed here from the records alone, not by the package that made them.
"""

import json
import re
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
from scipy import stats

ROOT = Path(__file__).parents[1]
PAGE, RATES = ROOT / "docs/findings.md", ROOT / "docs/learning_rates.csv"
PUBLISHED = ROOT / "results/published"
MARKER = re.compile(r"^<!-- (\w+)((?: [^ \n]+)*) -->\n((?:\|.*\n)*)", flags=re.MULTILINE)
READ = ("motion", "motion_direction", "shape")  # what the probes of the last level are asked for
WORDS = {"motion_direction": "direction"}
DATA = "synthetic_more"
VALIDATION_VIDEOS = 160  # what the numbers in RATES are of
PAIR = "motion, direction, shape"


def records(study: str, run: str, file: str, data: str) -> list[dict]:
    """The metrics of a run, seed after seed."""
    return [one["metrics"] for one in whole_records(study, run, f"/{data}/split1/{file}.json")]


def whole_records(study: str, run: str, end: str) -> list[dict]:
    """The records of a run whose paths end so, seed after seed."""
    path = re.compile(rf"runs/r3d18/{run}/seed(\d+)/[^/]+{re.escape(end)}")
    with ZipFile(PUBLISHED / study / "records.zip") as packed:
        found = [match for name in packed.namelist() if (match := path.fullmatch(name))]
        ordered = sorted(found, key=lambda match: int(match[1]))
        return [json.loads(packed.read(match[0])) for match in ordered]


def read(study: str, run: str, factor: str, *, data: str = DATA, level: str = "layer4"):
    """What the probe of a level reads of a factor in test, in % (R2 in hundredths), by seed."""
    found = [one["linear"][level][factor] for one in records(study, run, "evaluate", data)]
    return 100 * np.array([scores.get("accuracy", scores.get("r2")) for scores in found])


def measured(study: str, run: str, measure: str) -> np.ndarray:
    """A number of a run, in %, by seed."""
    if measure == "top-1":
        return 100 * np.array([one["top1"] for one in records(study, run, "finetune", DATA)])
    if measure == "R@1":
        found = records(study, run, "evaluate", DATA)
        return 100 * np.array([one["retrieval"]["layer4"]["r1"] for one in found])
    return read(study, run, measure)


def spread(values: np.ndarray) -> str:
    """Mean and standard deviation over seeds."""
    return f"{values.mean():.1f}" + (f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else "")


def interval(values: np.ndarray) -> str:
    """Mean with Student's 95 % interval over seeds, which one seed does not have."""
    if len(values) == 1:
        return f"{values.mean():+.1f}"
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    return f"{values.mean():+.1f} ({low:.1f} to {high:.1f})"


def table(head: str, rows: list[list[str]]) -> str:
    """Lines of Markdown; `head`: the columns' names, between commas."""
    names = head.split(", ")
    return "".join(f"| {' | '.join(row)} |\n" for row in [names, ["---"] * len(names), *rows])


def runs(study: str) -> str:
    """Every run of a study with what its features tell."""
    found = [
        [f"`{run}`", *(spread(measured(study, run, one)) for one in (*READ, "label", "top-1"))]
        for run in runs_of(study)
    ]
    return table(f"run, {PAIR}, label, fine-tuned top-1", found)


def runs_of(study: str) -> list[str]:
    """The runs of a study, in its order."""
    return list(json.loads((PUBLISHED / study / "study.json").read_text())["ablations"])


def differences(study: str) -> str:
    """Every other run less `hdc`."""
    found = [
        [
            f"`{run}`",
            *(
                interval(measured(study, run, one) - measured(study, "hdc", one))
                for one in (*READ, "top-1", "R@1")
            ),
        ]
        for run in runs_of(study)
        if run != "hdc"
    ]
    return table(f"run less `hdc`, {PAIR}, fine-tuned top-1, R@1", found)


def pairs(study: str, *sums: str) -> str:
    """Sums and differences of runs, such as `hdc-coupled`."""
    rows = []
    for one in sums:
        terms = re.findall(r"([+-]?)(\w+)", one)
        values = {
            factor: sum(
                (-1 if sign == "-" else 1) * read(study, run, factor) for sign, run in terms
            )
            for factor in READ
        }
        name = re.sub(r"([+-])", r" \1 ", re.sub(r"(\w+)", r"`\1`", one))
        rows.append([name, *(interval(each) for each in values.values())])
    return table(f"difference, {PAIR}", rows)


def generality(study: str) -> str:
    """What probes read on still and shuffled clips."""
    columns = [("motion", "still"), ("motion", "shuffled"), ("shape", "still")]
    rows = [
        [f"`{run}`", *(spread(read(study, run, factor, level=f"layer4.{control}"))
                       for factor, control in columns)]
        for run in runs_of(study)
    ]  # fmt: skip
    return table(f"run, {', '.join(f'{factor}: {control}' for factor, control in columns)}", rows)


def comparisons(study: str) -> str:
    """The comparisons that a study declared, as its own table gives them."""
    rows = []
    for _, row in pd.read_csv(PUBLISHED / study / "tables/preregistered.csv").iterrows():
        rows.append([
            f"`{row.run}` - `{row.against}`",
            row.measures.replace("linear_", ""),
            f"{100 * row.difference:+.1f}",
            f"{100 * row.low:.1f} to {100 * row.high:.1f}",
            f"{100 * row.two_way_low:.1f} to {100 * row.two_way_high:.1f}",
            f"{row.p_holm:.2f}" if row.p_holm >= 0.01 else f"{row.p_holm:.1g}",
            row.answer,
        ])  # fmt: skip
    head = (
        "comparison, measured on, difference, over seeds, over seeds and videos, p (Holm), answer"
    )
    return table(head, rows)


def ceiling(study: str, *data: str) -> str:
    """What labels teach the same network, and what it reads before any training."""
    rows = [
        [f"`{run}`", f"`{one}`", *(spread(read(study, run, factor, data=one)) for factor in READ)]
        for one in data
        for run in ("supervised", "random_init")
    ]
    return table(f"run, videos, {PAIR}", rows)


def rates() -> str:
    """Validation probes by run and learning rate, at a seed that is not reported; best in bold."""
    found = pd.read_csv(RATES)
    shares = 100 * found[["motion", "shape"]] / VALIDATION_VIDEOS
    found["cell"] = [f"{motion:.1f}, {shape:.1f}" for motion, shape in shares.to_numpy()]
    chosen = best_rates(found)
    best = found.learning_rate == found.ablation.map(chosen)
    found["cell"] = found.cell.where(~best, "**" + found.cell + "**")
    cells = found.pivot(index="ablation", columns="learning_rate", values="cell")
    rows = [[f"`{run}`", *cells.loc[run]] for run in chosen]
    return table(", ".join(["motion and shape", *map(str, cells.columns)]), rows)


def best_rates(tried: pd.DataFrame) -> dict[str, float]:
    """For each run the learning rate with the best mean of both factors, of equals the smallest."""
    ordered = tried.assign(score=tried.motion + tried["shape"]).sort_values("learning_rate")
    best = ordered.loc[ordered.groupby("ablation").score.idxmax()].set_index("ablation")
    return {run: float(best.learning_rate[run]) for run in tried.ablation.unique()}


PROBED = ("synthetic_striped", "synthetic_striped_reversed", "synthetic_shortcut",
          "synthetic_shortcut_reversed")  # fmt: skip
HALVES = {"shortcut": "tell", "shortcut_control": "plain"}


def shortcut(factor: str, *chosen: str) -> str:
    """A factor over the two by two design: pretraining, then the probe's training and the test."""
    rows = [
        [told, f"`{run}`", *(spread(read(study, run, factor, data=one)) for one in PROBED)]
        for study, told in HALVES.items()
        for run in chosen
    ]
    head = "plain probe and test, plain probe misleading test, told probe plain test"
    return table(f"pretraining, run, {head}, told probe misleading test", rows)


def losses(*chosen: str) -> str:
    """What misleading backgrounds cost in motion, and how that differs from what `hdc` loses."""
    rows = []
    for study, told in HALVES.items():
        lost = {run: misled(study, run) for run in chosen}
        for run, (plain, led) in lost.items():
            own_plain, own_led = lost["hdc"]
            less = [] if run == "hdc" else [interval(own_plain - plain), interval(own_led - led)]
            row = [told, f"`{run}`", interval(plain), interval(led), *(less or ["", ""])]
            rows.append(row)
    head = "plain probe, told probe, `hdc` less this: plain, `hdc` less this: told"
    return table(f"pretraining, run, {head}", rows)


def misled(study: str, run: str) -> list[np.ndarray]:
    """Points of motion lost to misleading backgrounds, by plain and by told probes."""
    plain, plain_led, told, told_led = (read(study, run, "motion", data=one) for one in PROBED)
    return [plain - plain_led, told - told_led]


TABLES = {
    one.__name__: one
    for one in (runs, differences, pairs, generality, comparisons, ceiling, rates, shortcut, losses)
}


def written(text: str) -> str:
    """The page with its tables as the records have them."""

    def made(match: re.Match) -> str:
        name, words = match[1], match[2].split()
        return f"<!-- {name}{match[2]} -->\n{TABLES[name](*words)}"

    return MARKER.sub(made, text)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    print(f"{len(MARKER.findall(PAGE.read_text()))} tables in {PAGE.relative_to(ROOT)}")
