"""The table of what labels teach: the whole network, or a head on a frozen encoder."""

from dataclasses import replace

from hdc.analysis.measure import Measure
from hdc.analysis.measures import fine_tuned
from hdc.analysis.results import Results
from hdc.reporting.captions import FINE_TUNED, HOW, chance_line, protocol_line, trained_on_labels
from hdc.reporting.tables.build import build
from hdc.reporting.tables.literature import foldable, with_published
from hdc.reporting.tables.table import Table

CONTROLS = (
    "Still, shuffled, reversed: the same head, trained and tested on clips of one frame repeated, "
    "in random order, backward. What it reaches there needs no motion, or no order, and may be "
    "its own work: random_init is the same head on an untrained encoder. "
)


def finetune_table(results: Results) -> Table:
    """Top-1: one row a run, one column a data set and control; then published values.

    Those are of fine-tuned networks, and stand below nothing else.
    """
    data_sets, controls = list(results.evaluations["data"].unique()), controls_of_heads(results)
    measures = [
        measure
        for data in data_sets
        for measure in (*_accuracies(data), *_of_controls(data, controls))
    ]
    trained = trained_on_labels(results)
    title = f"Video top-1, {trained}" if controls else "Fine-tuned accuracy, video top-1"
    caption = (
        f"{HOW} {CONTROLS if controls else ''}{protocol_line(results, 'finetune')} "
        f"{chance_line(results, 'label')}"
    )
    whole = trained == FINE_TUNED
    fold = {"foldable": foldable(results, "finetune")} if whole else {}
    by = ["backbone", "ablation"]
    table = build(results, "finetune", title, caption, measures, by=by, **fold)
    return with_published(table, results, "finetune", measures) if whole else table


def controls_of_heads(results: Results) -> list[str]:
    """The controls that heads on frozen encoders were trained on, in the order of the records."""
    records = results.of("finetune")
    names = [name for record in records for name in record["metrics"].get("controls", {})]
    return list(dict.fromkeys(names))


def _accuracies(data: str) -> list[Measure]:
    return [
        replace(
            fine_tuned(metric, f"{data} top-1 (%)"),
            name=f"{data}_{metric}",
            data=data,
            visible=metric == "top1",
        )
        for metric in ("top1", "top5", "clip_top1", "clip_top5")
    ]


def _of_controls(data: str, controls: list[str]) -> list[Measure]:
    return [
        Measure(
            f"{data}_{control}_top1",
            f"{data} {control} (%)",
            "finetune",
            ("metrics", "controls", control, "top1"),
            data=data,
        )
        for control in controls
    ]
