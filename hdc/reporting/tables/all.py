"""The tables of a study: which numbers each shows, and what its caption says."""

from dataclasses import replace

from hdc.analysis.absences import missing_records_line
from hdc.analysis.measure import ROWS, Measure
from hdc.analysis.measures import (
    nearest_neighbors,
    of_features,
    probe,
    probes,
    ranks,
    recall,
)
from hdc.analysis.number_formats import BLANK
from hdc.analysis.results import LEVEL, Results
from hdc.analysis.verdicts import answers
from hdc.analysis.video_outcomes import Outcomes
from hdc.evaluation import judgements
from hdc.reporting.captions import (
    HOW,
    chance_line,
    failed_trainings_line,
    missing_line,
    protocol_line,
    settings_line,
)
from hdc.reporting.contents import TABLES
from hdc.reporting.tables.ablation import ablation_table
from hdc.reporting.tables.build import build, with_levels
from hdc.reporting.tables.finetune import finetune_table
from hdc.reporting.tables.literature import foldable, with_published
from hdc.reporting.tables.preregistered import preregistered_table
from hdc.reporting.tables.table import Table
from hdc.reporting.tables.time_probes import time_probes_table
from hdc.reporting.tables.transfer import transfer_table
from hdc.study.stages import STAGES

CONTROLS = (
    "Still: features of one frame repeated; shuffled: of frames in random order; with a probe of "
    "its own. A direction of motion is read within the motions that only order tells apart."
)
LEFT_OUT = (
    "One left out: shape by probes that saw no motion of the axis that they judge, motion by "
    "probes that did not see the shape; all seen: with equally many training videos of all. "
)


def all_tables(results: Results, outcomes: Outcomes | None = None) -> list[Table]:
    """The tables of a study, the one that answers its question first.

    `outcomes`: those of the study as far as they were read; None: they are read here.
    """
    outcomes = outcomes or Outcomes(results)
    answered = answers(outcomes)
    tables = [ablation_table(outcomes, answered), preregistered_table(results, answered)]
    tables.append(transfer_table(outcomes))
    makers = (
        finetune_table,
        retrieval_table,
        probes_table,
        factors_table,
        shortcuts_table,
        cost_table,
    )
    tables += [maker(results) for maker in makers]
    tables.insert(TABLES.index("time_probes"), time_probes_table(outcomes))
    notes = [
        results.study.get("note", ""),
        settings_line(results),
        missing_records_line(results),
        missing_line(results),
        failed_trainings_line(results),
    ]
    said = " ".join(note for note in notes if note)
    return [replace(table, caption=f"{table.caption} {said}".strip()) for table in tables]


def retrieval_table(results: Results) -> Table:
    """Retrieval by nearest neighbors of frozen features at the last level; then published ones."""
    maximum = f"{LEVEL}.spatial_max"
    pooled = [of_features(judgements.recall(maximum, rank)) for rank in ranks(results)]
    hidden = [
        replace(measure, name=f"{measure.name}_spatial_max", visible=False) for measure in pooled
    ]
    retrieved = [f"R@{rank}" for rank in ranks(results)]
    caption = f"{HOW} {protocol_line(results, 'evaluate')} {chance_line(results, *retrieved)}"
    title = "Retrieval and nearest neighbors at the last level"
    measures = [*map(recall, ranks(results)), *nearest_neighbors(), *hidden]
    fold = {"foldable": foldable(results, "retrieval")}
    table = build(results, "retrieval", title, caption, measures, **fold)
    return with_published(table, results, "retrieval", measures)


def probes_table(results: Results) -> Table:
    """Classifiers of the label on frozen features of the last level, also with few labels."""
    amounts = dict.fromkeys(
        amount
        for record in results.of("evaluate")
        for scores in record["metrics"].get("few_labels", {}).values()
        for amount in scores
    )
    measures = [replace(probe("label"), name="linear", title="all (%)")]
    measures += [of_features(judgements.few_labels(LEVEL, amount)) for amount in amounts]
    for control in ("still", "shuffled"):
        probed = of_features(judgements.linear_probe(f"{LEVEL}.{control}", "label"))
        measures.append(replace(probed, name=f"linear_{control}", title=f"{control} (%)"))
    measures += [
        of_features(judgements.left_out(LEVEL, factor, which))
        for factor in left_out_factors(results)
        for which in ("seen", "unseen")
    ]
    left_out = LEFT_OUT if left_out_factors(results) else ""
    caption = (
        f"{HOW} Logistic regression of the label. A share or number: only so many training videos "
        "of each class have a label, averaged over draws; the probe's strength is the one that "
        "validation chose with all labels. Still: one frame repeated. Shuffled: frames in random "
        f"order; with the probe fitted on such clips. {left_out}"
        f"{protocol_line(results, 'evaluate')} {chance_line(results, 'label')}"
    )
    return build(results, "probes", "Linear probes of the label, last level", caption, measures)


def left_out_factors(results: Results) -> list[str]:
    """Factors that were read where a value of another was left out of the probe's training.

    What older records call `combinations` is not shown: it fell with how well the other is read.
    """
    factors = [
        factor
        for record in results.of("evaluate")
        for scores in record["metrics"].get("left_out", {}).values()
        for factor in scores
    ]
    return list(dict.fromkeys(factors))


def factors_table(results: Results) -> Table:
    """What a linear probe reads from each level: one row a run and level, one column a factor."""
    probed = probes(results)
    chance = [
        replace(
            measure,
            name=f"{measure.name}_chance",
            path=(*measure.path[:-1], "chance"),
            visible=False,
        )
        for measure in probed
        if measure.path[-1] == "accuracy"
    ]
    names = [measure.name for measure in probed]
    caption = (
        f"{HOW} {CONTROLS} {protocol_line(results, 'evaluate')} {chance_line(results, *names)}"
    )
    title = "Linear probes by level"
    by = [*ROWS, "level"]
    rows = with_levels(results, controls=True)
    return build(results, "factors", title, caption, [*probed, *chance], by=by, evaluations=rows)


def shortcuts_table(results: Results) -> Table:
    """How often a shortcut alone finds the partner that a contrast asks for."""
    measures = [
        Measure(f"{subtask}_{clue}", f"{short}: {clue} (%)", "pretrain",
                ("metrics", "shortcuts", subtask, clue))
        for subtask, short in (("spatial", "SC"), ("temporal", "TC"))
        for clue in ("appearance", "place", "motion", "phase")
    ]  # fmt: skip
    caption = (
        "How often the partner of a clip, as the contrast asks for it, is the nearest among the "
        "clips of 64 videos (or all, if fewer) by one thing alone, before any training. "
        "Appearance: the mean over time at 4 x 4 pixels. Known of synthetic videos only: place "
        "(where the shape is in the view, how large, at which angle, in the middle frame), motion "
        "(which part of the state advances how fast, exactly, as the crop shows it) and phase (how "
        "far that part is in its cycle). Appearance is a lower bound, since networks see more; the "
        "others are upper bounds, since they are known exactly. By chance 1.6 % of 64. SC: spatial "
        f"contrast; TC: temporal contrast. {HOW}"
    )
    return build(results, "shortcuts", "What alone would solve the contrast", caption, measures)


def cost_table(results: Results) -> Table:
    """What the runs cost: time, memory, size."""
    seconds, mebibytes = "{:.1f}".format, lambda value: f"{value / 2**20:.0f}"
    size = lambda unit: lambda value: f"{value / unit:.2f}"  # noqa: E731
    pretrain = (
        ("pretrain_seconds", "pretraining (s)", ("seconds",), seconds, seconds),
        ("clips_per_second", "clips/s", ("metrics", "clips_per_second"), seconds, seconds),
        ("peak_memory_bytes", "peak memory (MiB)", ("peak_memory_bytes",), mebibytes, None),
        ("parameters", "parameters (M)", ("metrics", "parameters"), size(1e6), None),
        (
            "multiply_adds",
            "multiply-adds a clip (G)",
            ("metrics", "multiply_adds"),
            size(1e9),
            None,
        ),
    )
    measures = [
        Measure(name, title, "pretrain", path, *show) for name, title, path, *show in pretrain
    ]
    measures += [
        Measure(
            f"{name}_seconds", f"{STAGES[name].title} (s)", name, ("seconds",), seconds, seconds
        )
        for name in ("finetune", "evaluate")
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


def data_sets(results: Results) -> list[str]:
    """The data sets of a study, in its order."""
    return list(results.evaluations["data"].unique())


def _devices(results: Results, **where: str) -> str:
    """What a run was pretrained on; several are joined."""
    records = results.of("pretrain", **where)
    return ", ".join(dict.fromkeys(record["device"] for record in records)) or BLANK
