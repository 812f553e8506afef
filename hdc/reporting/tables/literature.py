"""Published values of the method and its peers, beside a study's own rows and never among them.

published_*.csv hold facts in percent, as their sources print them, each with its source.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from hdc.analysis.measure import Measure
from hdc.analysis.number_formats import BLANK, percent, points
from hdc.analysis.results import BASE, Results, record_path
from hdc.reporting.tables.build import HEADINGS
from hdc.reporting.tables.table import Table
from hdc.study.runs import part_of

OURS = "this study"
# What publications call what we have.
BACKBONES = {"C3D": "c3d", "3D-ResNet18": "r3d18", "R3D-18": "r3d18"}
BACKBONES |= {"R(2+1)D-10": "r2plus1d10"}
HEADLINES = ("top1", "r1")  # whose differences the readable forms show; the CSV has all
PRETRAINING = {"K400": "kinetics400", "UCF101": "ucf101"}
CAPTION = (
    f" Published values are those of their sources: one number each, by protocols that differ. "
    f"Δ: our {BASE} less the published value in percentage points, where backbone and pretraining "
    "set are the same."
)


@cache
def published(kind: str) -> pd.DataFrame:
    """The published values of `finetune` or `retrieval`: shares, blank where none is known."""
    table = pd.read_csv(Path(__file__).with_name(f"published_{kind}.csv"))
    values = [name for name in table if name.endswith("_top1") or name[1:].isdecimal()]
    table[values] = table[values] / 100
    if "dataset" in table:
        table["data"] = table.pop("dataset").str.lower()
    return table


def foldable(results: Results, kind: str) -> tuple[str, ...]:
    """Which columns of a table may move to its caption: none where published rows differ in them.

    Those differ in their backbone always, in their data set where they are rows of their own.
    """
    rows = _rows_for(published(kind), set(results.evaluations["data"]))
    if rows.empty:
        return ("backbone", "data")
    return ("data",) if "data" in rows and rows["data"].nunique() == 1 else ()


def with_published(table: Table, results: Results, kind: str, measures: list[Measure]) -> Table:
    """A table with the published rows of its data sets below its own; unchanged if there are none.

    Every row then has resolution, pretraining set and source; published ones what our `hdc` has
    more, in columns `<measure>_less_published`.
    """
    rows = _rows_for(published(kind), set(results.evaluations["data"]))
    if rows.empty:
        return table
    ours = table.numbers.assign(**_own_facts(results, table.numbers), source=OURS)
    theirs = rows.rename(columns={"method": "ablation"})
    titles = {
        measure.name: measure.title
        for measure in measures
        if measure.visible and measure.name in rows
    }
    for name in titles:
        gap = [_less(ours, row, name) for row in theirs.to_dict("records")]
        theirs[f"{name}_less_published"] = gap
    facts = ["resolution", "pretrained_on", "source"]
    shown = table.text.assign(**ours[facts].astype(str))
    numbers = pd.concat([ours, theirs.assign(seeds=0, splits=0, missing="")], ignore_index=True)
    text = pd.concat([shown, _text(theirs, table, titles)], ignore_index=True).fillna("")
    text = text.rename(columns={"pretrained_on": "pretrained on"})
    return replace(table, numbers=numbers, text=text, caption=table.caption + CAPTION)


def _rows_for(known: pd.DataFrame, data_sets: set[str]) -> pd.DataFrame:
    """The published rows that have a value on one of the data sets."""
    if "data" in known:
        return known[known["data"].isin(data_sets)].reset_index(drop=True)
    columns = [name for name in known if name.removesuffix("_top1") in data_sets]
    facts = [name for name in known if not name.endswith("_top1")]
    return known[facts + columns].dropna(subset=columns, how="all").reset_index(drop=True)


def _own_facts(results: Results, rows: pd.DataFrame) -> dict[str, list[str]]:
    """Resolution and pretraining set of each of our own rows, several joined."""
    pixels, sets = [], []
    for row in rows.to_dict("records"):
        where = {key: row[key] for key in ("backbone", "data", "ablation") if key in row}
        settings = [record["settings"] for record in results.of("pretrain", **where)]
        sizes = [run["clip"]["pixels"] for run in settings if "clip" in run]
        pixels.append(", ".join(map(str, dict.fromkeys(sizes))) or BLANK)
        evaluations = results.select(**where).itertuples(index=False)
        names = [_pretrained_on(results, evaluation) for evaluation in evaluations]
        sets.append(", ".join(dict.fromkeys(names)))
    return {"resolution": pixels, "pretrained_on": sets}


def _pretrained_on(results: Results, evaluation: Any) -> str:
    """What an encoder saw: a data set, what an imported one's record says, or `none`."""
    record = results.records.get(record_path(evaluation, "pretrain"), {})
    if record.get("settings", {}).get("encoder"):
        return record["protocol"]["trained_on"].rpartition("pretrained on ")[2]
    if record.get("metrics", {}).get("steps") == 0:
        return "none"
    return part_of(evaluation.pretrained_on)[0]


def _less(ours: pd.DataFrame, row: dict[str, Any], measure: str) -> float:
    """Our `hdc` less a published value; NaN unless both were made alike."""
    alike = (ours["ablation"] == BASE) & (ours["backbone"] == BACKBONES.get(row["backbone"]))
    alike &= ours["pretrained_on"] == PRETRAINING.get(row["pretrained_on"])
    if "data" in row:
        alike &= ours["data"] == row["data"]
    values = ours.loc[alike, measure]
    return float(values.iloc[0]) - row[measure] if len(values) else float("nan")


def _text(theirs: pd.DataFrame, table: Table, titles: dict[str, str]) -> pd.DataFrame:
    """Published rows for people, in the columns of our table's text."""
    text = theirs[["backbone", "ablation", "pretrained_on", "source"]].astype(str)
    if "data" in theirs and "data set" in table.text:
        text["data"] = theirs["data"]
    if "resolution" in theirs:
        text["resolution"] = theirs["resolution"].astype(str)
    for name, title in titles.items():
        text[title] = [BLANK if pd.isna(value) else percent(value) for value in theirs[name]]
        gaps = theirs[f"{name}_less_published"]
        if name.endswith(HEADLINES):
            shown = ["" if pd.isna(gap) else points(gap) for gap in gaps]
            text[f"Δ {title.removesuffix(' (%)')}"] = shown
    return text.rename(columns=HEADINGS)
