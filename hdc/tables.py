"""The tables of a study: every digit as CSV, readable as Markdown, ready to print as LaTeX."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from hdc.atomic import write_text
from hdc.results import (
    BASE,
    LEVEL,
    Results,
    against,
    by_seed,
    cells,
    factors_of,
    levels_of,
    over_seeds,
)
from hdc.wording import chance_line, latex, protocol_line, seeds_text

ROWS = ["backbone", "data", "ablation"]
HEADINGS = {"backbone": "backbone", "data": "data set", "ablation": "run", "level": "level"}
RANKS = ("r1", "r5", "r10", "r20", "r50")
COMPARED_FACTORS = ("label", "shape", "motion")
HOW = (
    "Mean ± sample standard deviation over seeds; splits are averaged inside a seed first, and a "
    "seed that lacks a split is not counted. One seed has no spread."
)


def percent(value: float) -> str:
    """A share in percent, with one digit."""
    return f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.1f}"


@dataclass(frozen=True)
class Measure:
    """One number of a table: where the records have it and how it is shown."""

    name: str  # column of the CSV
    title: str  # heading for people
    stage: str
    path: tuple[str, ...]
    show: Callable[[float], str] = percent
    show_spread: Callable[[float], str] | None = percent
    data: str | None = None  # this data set only
    against: str | None = None  # difference to this run
    visible: bool = True  # otherwise in the CSV only

    def summary(
        self, results: Results, by: list[str], evaluations: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Mean, spread, seeds, splits and missing reasons, one row a group of `by`."""
        rows = results.evaluations if evaluations is None else evaluations
        if self.data is not None:
            rows = rows[rows["data"] == self.data]
        seeds = by_seed(cells(results, self.stage, self.path, rows), by)
        return over_seeds(against(seeds, self.against) if self.against else seeds)

    def difference(self) -> "Measure":
        """The same number as a difference to the base run."""
        title = f"Δ {self.title}".replace("(%)", "(points)")
        name = f"{self.name}_difference"
        return replace(self, name=name, title=title, show=points, against=BASE)


@dataclass(frozen=True)
class Table:
    """One table: all digits, the readable form, what holds for all of it, notes on single cells."""

    name: str
    title: str
    caption: str
    numbers: pd.DataFrame
    text: pd.DataFrame
    notes: list[str]

    def markdown(self) -> str:
        """Title, table, caption and notes."""
        plain = self.text.map(lambda value: value.replace("|", "\\|"))
        body = plain.to_markdown(index=False, disable_numparse=True)
        notes = [f"[{number}] {note}" for number, note in enumerate(self.notes, start=1)]
        return "\n\n".join([f"# {self.title}", body, self.caption, *notes]) + "\n"

    def latex(self) -> str:
        """A floating table for a document that loads booktabs."""
        style = self.text.map(latex).rename(columns=latex).style.hide(axis="index")
        text = style.to_latex(
            hrules=True,
            caption=latex(f"{self.title}. {self.caption}"),
            label=f"tab:{self.name}",
            position_float="centering",
            column_format="".join(
                "p{4.5cm}" if column == "question" else "l" for column in self.text
            ),
        )
        notes = "".join(
            f"\\par\\footnotesize [{number}] {latex(note)}\n"
            for number, note in enumerate(self.notes, start=1)
        )
        return text.replace("\\end{table}", f"{notes}\\end{{table}}")

    def write(self, folder: Path) -> None:
        """Write the three files of the table."""
        csv = self.numbers.to_csv(index=False, lineterminator="\n")
        write_text(folder / f"{self.name}.csv", csv)
        write_text(folder / f"{self.name}.md", self.markdown())
        write_text(folder / f"{self.name}.tex", self.latex())


def all_tables(results: Results) -> list[Table]:
    """The tables of a study, the one that answers its question first."""
    makers = (ablation_table, finetune_table, retrieval_table, factors_table, cost_table)
    return [maker(results) for maker in makers]


def finetune_table(results: Results) -> Table:
    """Fine-tuned accuracy: one row a run, one column a data set."""
    measures = [
        Measure(
            f"{data}_{metric}",
            f"{data} top-1 (%)",
            "finetune",
            ("metrics", metric),
            data=data,
            visible=metric == "top1",
        )
        for data in data_sets(results)
        for metric in ("top1", "top5", "clip_top1")
    ]
    caption = f"{HOW} {protocol_line(results, 'finetune')} {chance_line(results, 'label')}"
    title = "Fine-tuned accuracy, video top-1"
    return build(results, "finetune", title, caption, measures, by=["backbone", "ablation"])


def retrieval_table(results: Results) -> Table:
    """Retrieval by nearest neighbors of frozen features at the last level."""
    ranked = [
        Measure(rank, f"R@{rank[1:]} (%)", "evaluate", ("metrics", "retrieval", LEVEL, rank))
        for rank in RANKS
    ]
    neighbors = Measure("knn", "kNN (%)", "evaluate", ("metrics", "knn", LEVEL))
    caption = f"{HOW} {protocol_line(results, 'evaluate')} {chance_line(results, 'R@1')}"
    title = "Retrieval and nearest neighbors at the last level"
    return build(results, "retrieval", title, caption, [*ranked, neighbors])


def ablation_table(results: Results) -> Table:
    """Every run with its question, its numbers and their differences to the base run."""
    known = {factor for data in data_sets(results) for factor in factors_of(results, data)}
    measures = [
        Measure("top1", "fine-tuned top-1 (%)", "finetune", ("metrics", "top1")),
        Measure("r1", "R@1 (%)", "evaluate", ("metrics", "retrieval", LEVEL, "r1")),
    ]
    measures += [
        Measure(
            f"linear_{factor}",
            f"linear {factor} (%)",
            "evaluate",
            ("metrics", "linear", LEVEL, factor, "accuracy"),
        )
        for factor in COMPARED_FACTORS
        if factor in known or factor == "label"
    ]
    both = [each for measure in measures for each in (measure, measure.difference())]
    caption = (
        f"{HOW} Δ: difference to {BASE}, seed by seed, in percentage points. Frozen features at "
        f"the last level. {protocol_line(results, 'finetune', 'evaluate')} "
        f"{chance_line(results, 'R@1', 'label')}"
    )
    table = build(results, "ablation", "What each part is good for", caption, both)
    names = results.study["ablations"]
    asked = [names.get(run, {}).get("question", "") for run in table.numbers["ablation"]]
    place = table.text.columns.get_loc("run") + 1
    table.text.insert(place, "question", asked)
    table.numbers.insert(len(ROWS), "question", asked)
    return table


def factors_table(results: Results) -> Table:
    """What a linear probe reads from each level: one row a run and level, one column a factor."""
    measures = []
    kinds = {}
    for data in data_sets(results):
        kinds |= factors_of(results, data)
    for factor, kind in kinds.items():
        title = f"{factor} (R²)" if kind == "r2" else f"{factor} (%)"
        path = ("metrics", "linear", LEVEL, factor)
        show = "{:.2f}".format if kind == "r2" else percent
        measure = Measure(factor, title, "evaluate", (*path, kind), show, show)
        measures.append(measure)
        if kind == "accuracy":
            chance = replace(measure, name=f"{factor}_chance", path=(*path, "chance"))
            measures.append(replace(chance, visible=False))
    rows = with_levels(results)
    caption = f"{HOW} {protocol_line(results, 'evaluate')} {chance_line(results, *kinds)}"
    title = "Linear probes by level"
    by = [*ROWS, "level"]
    return build(results, "factors", title, caption, measures, by=by, evaluations=rows)


def cost_table(results: Results) -> Table:
    """What the runs cost: time, memory, size."""
    seconds, mebibytes = "{:.1f}".format, lambda value: f"{value / 2**20:.0f}"
    size = lambda unit: lambda value: f"{value / unit:.2f}"  # noqa: E731
    pretrain = (
        ("pretrain_seconds", "pretraining (s)", ("seconds",), seconds, seconds),
        ("clips_per_second", "clips/s", ("metrics", "clips_per_second"), seconds, seconds),
        ("peak_memory_bytes", "peak memory (MiB)", ("peak_memory_bytes",), mebibytes, None),
        ("parameters", "parameters (M)", ("metrics", "parameters"), size(1e6), None),
        ("multiply_adds", "multiply-adds a clip (G)", ("metrics", "multiply_adds"), size(1e9), None),
    )
    measures = [
        Measure(name, title, "pretrain", path, *show) for name, title, path, *show in pretrain
    ]
    measures += [
        Measure(f"{stage}_seconds", f"{words} (s)", stage, ("seconds",), seconds, seconds)
        for stage, words in (("finetune", "fine-tuning"), ("evaluate", "evaluation"))
    ]
    caption = f"{HOW} Times are those of one job. Memory is that of pretraining."
    table = build(results, "cost", "What the runs cost", caption, measures)
    devices = [
        _devices(results, **{name: str(getattr(row, name)) for name in ROWS})
        for row in table.numbers.itertuples(index=False)
    ]
    table.numbers.insert(len(ROWS), "device", devices)
    table.text["device"] = devices
    return table


def build(
    results: Results,
    name: str,
    title: str,
    caption: str,
    measures: list[Measure],
    *,
    by: list[str] = ROWS,
    evaluations: pd.DataFrame | None = None,
) -> Table:
    """A table of measures, one row a group of `by`; what all rows share moves to the caption."""
    rows = results.evaluations if evaluations is None else evaluations
    groups = rows.groupby(by, observed=True).size().index
    summaries = [measure.summary(results, by, rows).reindex(groups) for measure in measures]
    numbers, text = _numbers(groups, measures, summaries), groups.to_frame(index=False).astype(str)
    most = _most_seeds(measures, summaries, groups)
    notes: list[str] = []
    for measure, summary in zip(measures, summaries, strict=True):
        if measure.visible:
            rows_ = zip(summary.itertuples(index=False), most, strict=True)
            text[measure.title] = [_text(measure, row, seeds, notes) for row, seeds in rows_]
    text["n"] = [seeds_text(seeds) for seeds in most]
    shared = [column for column in by if column in ("backbone", "data") and _single(text[column])]
    facts = "".join(f"{HEADINGS[column]} {text[column].iloc[0]}; " for column in shared)
    text = text.drop(columns=shared).rename(columns=HEADINGS)
    return Table(name, title, _sentence(facts) + caption, numbers, text, notes)
