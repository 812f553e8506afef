"""The figures of the training logs: losses, and how much each term counts."""

from typing import Any

import pandas as pd

from hdc.analysis.recorded_terms import terms_of
from hdc.analysis.results import Results, cells, record_path
from hdc.analysis.training_logs import read_logs
from hdc.reporting.figures.style import (
    Picture,
    color_and_marker,
    finish,
    line_looks,
    panel_title,
    shortened,
    small_multiples,
    title_width,
)


def training_curves(results: Results) -> Picture:
    """Loss against step, one panel a term and level, one line a run."""
    logs, labels = logged_terms(results), term_labels(results)
    curves = {
        (backbone, term): {run: mean_curve(lines, term) for run, lines in by_run}
        for backbone, rows in by_value(logs, "backbone")
        for term in loss_terms(rows)
        for by_run in [by_value(rows.dropna(subset=term), "ablation")]
    }
    figure, panels = small_multiples(len(curves))
    looks = line_looks(results)
    for ((backbone, term), lines), panel in zip(curves.items(), panels, strict=False):
        for place, (run, curve) in enumerate(lines.items()):
            every = max(1, len(curve) // 5)
            mark = (place * every // max(1, len(lines)), every)
            panel.plot(curve.index, curve, label=run, markevery=mark, **looks[run])
        panel.set_title(panel_title(results, backbone, labels.get(term, term)))
    finish(figure, panels[: len(curves)], "step", "loss (nats)")
    caption = (
        "Loss terms and their weighted sum during pretraining: mean over seeds and training parts "
        "at the steps that all of them logged. " + untrained(results, logs)
    )
    return Picture("training_curves", "Training curves", caption.strip(), figure)


def level_weights(results: Results) -> Picture:
    """Weight of each term against step: a panel a run and backbone, or several that are alike.

    Weights that never change stand in the caption.
    """
    logs, labels = logged_terms(results), term_labels(results)
    by_run = {
        (backbone, run): weight_curves(lines, labels)
        for backbone, rows in by_value(logs, "backbone")
        for run, lines in by_value(rows, "ablation")
    }
    several = {where: curves for where, curves in by_run.items() if len(curves) > 1}
    moving = {where: curves for where, curves in several.items() if _moves(curves)}
    drawn = _different(moving)
    looks = _term_looks(sorted({term for curves, _ in drawn.values() for term in curves}))
    more = [f" and {len(same)} more" if same else "" for _, same in drawn.values()]
    titles = [
        panel_title(results, backbone, shortened(run) + words)
        for (backbone, run), words in zip(drawn, more, strict=True)
    ]
    figure, panels = small_multiples(
        len(drawn),
        width=max(2.5, title_width(titles)),
        none="no weight changes" if several else "no records to draw",
    )
    for (curves, _), title, panel in zip(drawn.values(), titles, panels, strict=False):
        for place, (term, curve) in enumerate(curves.items()):
            every = max(len(curves), len(curve) // 3)
            mark = (place * every // len(curves), every)
            panel.plot(curve.index, curve, label=term, markevery=mark, **looks[term])
        panel.set_ylim(0, 1.08 * panel.dataLim.y1)
        panel.locator_params(axis="x", integer=True)
        panel.set_title(title)
    finish(figure, panels[: len(drawn)], "step", "weight")
    alike = [
        f" The same as {panel_title(results, backbone, run)}: {', '.join(same)}."
        for (backbone, run), (_, same) in drawn.items()
        if same
    ]
    fixed: dict[str, list[str]] = {}
    for (backbone, run), curves in several.items():
        if (backbone, run) not in moving:
            fixed.setdefault(_fixed(curves), []).append(panel_title(results, backbone, run))
    told = [f" Fixed at {weights}: {', '.join(runs)}." for weights, runs in fixed.items()]
    caption = (
        "Weights of the loss terms, before they are divided by their sum; mean over seeds and "
        "training parts. Lines that lie on one another are told apart by their marks. Runs with "
        "one term or none are not drawn."
    )
    if not drawn:  # flat lines say less than numbers
        caption = "Weights of the loss terms, before they are divided by their sum: none changes."
    text = caption + "".join(alike + told)
    return Picture("level_weights", "Weights of the levels", text, figure, drawn=bool(drawn))


def logged_terms(results: Results) -> pd.DataFrame:
    """The training logs, with the terms of a single contrast of clips named `coupled_<level>`.

    A run of the temporal subtask alone logs them as temporal ones.
    """
    logs = read_logs(results)
    if not len(logs):
        return logs
    coupled = {
        row.run_folder
        for row in results.evaluations.drop_duplicates("run_folder").itertuples(index=False)
        if _is_coupled(results.records.get(record_path(row, "pretrain"), {}))
    }
    is_coupled, labels = logs["run_folder"].isin(coupled), term_labels(results)
    for name in _term_columns(logs):
        subtask, _, level = labels[name].partition(" ")
        if subtask == "temporal":
            columns = (name, *(f"{kind}_{name}" for kind in ("weight", "spread", "rank")))
            for column in (column for column in columns if column in logs):
                logs[column.replace(name, f"coupled_{level}")] = logs[column].where(is_coupled)
                logs[column] = logs[column].mask(is_coupled)
    return logs.dropna(axis="columns", how="all")


def term_labels(results: Results) -> dict[str, str]:
    """The columns of losses in the logs -> subtask and level in words, such as `spatial layer4`."""
    labels = {name: name.replace("_", " ", 1) for name in _term_columns(read_logs(results))}
    for record in results.of("pretrain"):  # older ones do not tell, nor do runs under way
        for name, term in record["metrics"].get("terms", {}).items():
            labels[name] = f"{term['subtask']} {term['level']}"
    coupled = {label.partition(" ")[2] for label in labels.values()}
    return labels | {f"coupled_{level}": f"coupled {level}" for level in coupled}


def _term_columns(logs: pd.DataFrame) -> list[str]:
    """The columns that are losses of single terms: each has its weight beside it."""
    return [name for name in logs if f"weight_{name}" in logs]


def _is_coupled(record: dict[str, Any]) -> bool:
    return list(terms_of(record.get("settings", {}))) == ["temporal"]


def _moves(curves: dict[str, pd.Series]) -> bool:
    return any(curve.round(9).nunique() > 1 for curve in curves.values())


def _fixed(curves: dict[str, pd.Series]) -> str:
    """Weights that never change, such as `spatial 0.25, 0.5, 1`."""
    by_kind: dict[str, list[str]] = {}
    for term, curve in curves.items():
        by_kind.setdefault(term.split()[0], []).append(f"{curve.iloc[0]:g}")
    return "; ".join(f"{kind} {', '.join(values)}" for kind, values in by_kind.items())


def weight_curves(lines: pd.DataFrame, labels: dict[str, str]) -> dict[str, pd.Series]:
    """The weights of a run by step, one curve a term, spatial ones first and shallow to deep."""
    used = sorted(name for name in _term_columns(lines) if lines[f"weight_{name}"].notna().any())
    return {labels[name]: mean_curve(lines, f"weight_{name}") for name in used}


def _different(curves: dict[Any, dict[str, pd.Series]]) -> dict[Any, tuple[dict, list[str]]]:
    """The curves of the first run of a backbone that has them, and which other runs have the same.

    Most runs keep the weights of `hdc`: a panel for each would say nothing.
    """
    firsts: dict[str, tuple[str, str]] = {}
    groups: dict[Any, tuple[dict, list[str]]] = {}
    for (backbone, run), by_term in curves.items():
        text = backbone + "".join(
            f"{term} {curve.round(9).to_json()}" for term, curve in by_term.items()
        )
        first = firsts.setdefault(text, (backbone, run))
        if first == (backbone, run):
            groups[first] = (by_term, [])
        else:
            groups[first][1].append(run)
    return groups


def _term_looks(terms: list[str]) -> dict[str, dict[str, Any]]:
    """A color and marker a level; spatial terms in wide lines, temporal ones in thin dashes."""
    levels = list(dict.fromkeys(term.split()[-1] for term in terms))
    looks: dict[str, dict[str, Any]] = {}
    for term in terms:
        looks[term] = color_and_marker(levels.index(term.split()[-1])) | {"clip_on": False}
        if term.startswith("spatial"):
            looks[term] |= {"linestyle": "-", "linewidth": 2.2, "zorder": 2}
        else:
            looks[term] |= {"linestyle": "--", "linewidth": 1.2, "zorder": 3}
            looks[term] |= {"markerfacecolor": "white", "markersize": 6}
    return looks


def loss_terms(logs: pd.DataFrame) -> list[str]:
    """Columns of the logs that are losses: their sum, then the terms by subtask and level."""
    names = ("loss", *sorted(_term_columns(logs)))
    return [name for name in names if name in logs and logs[name].notna().any()]


def mean_curve(lines: pd.DataFrame, term: str) -> pd.Series:
    """A loss term by step: mean over the pretrainings of a run, where all of them have the step."""
    steps = lines.groupby("step")[term]
    return steps.mean()[steps.count() == lines["run_folder"].nunique()]


def untrained(results: Results, logs: pd.DataFrame) -> str:
    """Which runs have no curve, and why."""
    drawn = set(logs["run_folder"]) if len(logs) else set()
    rows = cells(results, "pretrain", ("metrics", "steps"))
    rows = rows[~rows["run_folder"].isin(drawn)]
    reasons = {
        run: "not trained here" if (group["value"] == 0).all() else "no log that can be read"
        for run, group in by_value(rows, "ablation")
    }
    listed = ", ".join(f"{run} ({reason})" for run, reason in reasons.items())
    return f"Not drawn: {listed}." if listed else ""


def by_value(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    """Rows by a column's value, in the order of its first rows."""
    if not len(frame):
        return []
    return list(frame.groupby(column, sort=False, observed=True))
