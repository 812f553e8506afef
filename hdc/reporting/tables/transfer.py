"""The table of transfer: pretrained on one data set, judged on others."""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from hdc.analysis.home_studies import home_studies
from hdc.analysis.measure import Measure
from hdc.analysis.measures import fine_tuned, probe
from hdc.analysis.results import Results
from hdc.analysis.run_differences import Difference, Place, difference
from hdc.analysis.video_outcomes import Outcomes
from hdc.reporting.captions import HOW, protocol_line, trained_on_labels
from hdc.reporting.tables.ablation import difference_text, difference_value
from hdc.reporting.tables.build import build
from hdc.reporting.tables.table import Table
from hdc.study.runs import part_of

TITLE = "Pretrained on one data set, judged on others"
NONE = "Every run of this study was pretrained on the data set that it is judged on."
AT_HOME = (
    "Δ: difference to the same run pretrained on the data set itself, in the study {studies}, seed "
    "by seed, in percentage points, with the 95 % interval over seeds (Student t); descriptive. "
    "n/a: no run there was pretrained on that data set. "
)
BY = ["backbone", "ablation"]


def transfer_table(outcomes: Outcomes) -> Table:
    """One row a run, one column a data set that it was not pretrained on; what it has more at home.

    Home are the studies that this one names in `home_studies`.
    """
    results = outcomes.results
    rows = transferred(results)
    if rows.empty:
        nothing = pd.DataFrame(columns=["run"], dtype=str)
        return Table("transfer", TITLE, NONE, nothing, nothing, [])
    data_sets = list(rows["data"].unique())
    known = home_studies(results)
    homes = [Outcomes(home) for home in known]
    measures = {measure: data for data in data_sets for measure in _measures(data)}
    names = ", ".join(dict.fromkeys(part_of(name)[0] for name in rows["pretrained_on"]))
    said = AT_HOME.format(studies=" or ".join(home.study["study"] for home in known))
    caption = (
        f"Pretrained on {names}. {HOW} top-1: {trained_on_labels(results)}, by video. Linear: a "
        f"probe of the label on frozen features of the last level. {said if homes else ''}"
        f"{protocol_line(results, 'finetune', 'evaluate')}"
    )
    fold = {"by": BY, "evaluations": rows, "foldable": ("backbone",)}
    table = build(results, "transfer", TITLE, caption, list(measures), **fold)
    for measure, data in measures.items() if homes else ():
        gaps = [
            _less_home(outcomes, homes, measure, Place(row.backbone, data, row.ablation))
            for row in table.numbers.itertuples(index=False)
        ]
        _add(table, measure, gaps)
    return table


def transferred(results: Results) -> pd.DataFrame:
    """The evaluations on another data set than that of pretraining."""
    rows = results.evaluations
    at_home = [
        part_of(on)[0] == data for on, data in zip(rows.pretrained_on, rows.data, strict=True)
    ]
    return rows[[not home for home in at_home]]


def _measures(data: str) -> Iterator[Measure]:
    """What is shown of a data set."""
    yield replace(fine_tuned(), name=f"{data}_top1", title=f"{data} top-1 (%)", data=data)
    yield replace(probe("label"), name=f"{data}_linear", title=f"{data} linear (%)", data=data)


def _less_home(
    outcomes: Outcomes, homes: list[Outcomes], measure: Measure, place: Place
) -> Difference | None:
    """A run less the same in the first study at home that has it; None where none has."""
    for home in homes:
        rows = place.rows(home.results)
        if len(rows) and all(part_of(on)[0] == place.data for on in rows["pretrained_on"]):
            return difference((outcomes, home), [measure], (place, place))
    return None


def _add(table: Table, measure: Measure, gaps: list[Difference | None]) -> None:
    """Put behind a number what it differs by from that at home."""
    numbers, text = table.numbers, table.text
    columns = {
        f"{measure.name}_less_home": [difference_value(gap, "paired", "mean") for gap in gaps],
        f"{measure.name}_less_home_low": [difference_value(gap, "paired", "low") for gap in gaps],
        f"{measure.name}_less_home_high": [difference_value(gap, "paired", "high") for gap in gaps],
    }
    place = numbers.columns.get_loc(f"{measure.name}_splits") + 1
    for offset, (column, values) in enumerate(columns.items()):
        numbers.insert(place + offset, column, values)
    title = f"Δ {measure.title.removesuffix(' (%)')}"
    shown = zip(gaps, numbers["seeds"], strict=True)
    told = [difference_text(gap, None, seeds, table.notes) for gap, seeds in shown]
    text.insert(text.columns.get_loc(measure.title) + 1, title, told)
    for row in range(len(text)):
        table.origins[row, title] = table.origins[row, measure.title]
