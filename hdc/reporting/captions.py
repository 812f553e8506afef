"""How protocols and captions read."""

import json
from pathlib import Path
from typing import Any

from hdc.analysis.number_formats import percent, sentence
from hdc.analysis.results import BASE, LEVEL, Results, cells, record_path
from hdc.evaluation.chance import recorded_chance
from hdc.study.stages import RECORDED, STAGES

_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"±": r"\(\pm\)", "Δ": r"\(\Delta\)", "²": r"\(^2\)"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
)  # fmt: skip


DOUBTED = (
    "pretrained on test videos",
    "pretraining videos unknown",
    "test videos with copies in training",
)
FINE_TUNED = "fine-tuned"
LEAST_SPREAD = 0.05  # a twentieth of what embeddings have that point everywhere
HOW = (
    "Mean ± sample standard deviation over seeds; splits are averaged inside a seed first, and a "
    "seed that lacks a split is not counted. One seed has no spread. 95 % intervals of the mean "
    "(Student t over seeds) are in the CSV file."
)


def latex(text: str) -> str:
    """Text as LaTeX prints it, with its special characters escaped."""
    return text.translate(_LATEX)


def protocols(results: Results, stage: str, data: str, **where: str) -> dict[str, str]:
    """What a stage's records of a data set say about how they were made, several values joined.

    `where` selects evaluations further, such as those of one run.
    """
    values: dict[str, list[str]] = {}
    for record in results.of(stage, data=data, **where):
        for key, value in record.get("protocol", {}).items():
            values.setdefault(key.replace("_", " "), []).append(_words(value))
    return {key: ", ".join(dict.fromkeys(words)) for key, words in values.items()}


def settings_line(results: Results) -> str:
    """What the study says of all its runs, over the files of its scale; nothing if it does not."""
    settings = results.study.get("settings", {})
    words = ", ".join(f"{key} {json.dumps(value)}" for key, value in settings.items())
    return f"Settings of this study: {words}." if words else ""


def protocol_line(results: Results, *stages: str) -> str:
    """One sentence a stage and data set: splits, test videos, clips, averaging, checkpoint."""
    lines = []
    for stage in stages:
        for data in results.evaluations["data"].unique():
            facts = protocols(results, stage, data)
            for key in ("data", "missing videos", *DOUBTED):  # said elsewhere, of single rows
                facts.pop(key, None)
            if facts:
                text = "; ".join(f"{key}: {value}" for key, value in facts.items())
                lines.append(f"{sentence(STAGES[stage].title)} on {data}: {text}.")
    return " ".join(lines)


def trained_on_labels(results: Results) -> str:
    """What was trained for top-1: `fine-tuned`, or a head alone, as the frozen protocols do."""
    records = results.of("finetune")
    words = [record["protocol"].get("trained", FINE_TUNED) for record in records]
    return " or ".join(dict.fromkeys(words)) or FINE_TUNED


def by_labels(results: Results, what: str) -> str:
    """What labels taught, as in `fine-tuned top-1` or `top-1 (linear head, frozen encoder)`."""
    trained = trained_on_labels(results)
    return f"{trained} {what}" if trained == FINE_TUNED else f"{what} ({trained})"


def missing_line(results: Results) -> str:
    """How many listed videos were not there, by data set and part; empty if all were."""
    missing: dict[str, dict[str, int]] = {}
    for stage in RECORDED:
        for record in results.of(stage):
            facts = record.get("protocol", {})
            split = f" split {facts['split']}" if facts.get("split") else ""
            counts = facts.get("missing_videos", {})
            missing.setdefault(f"{facts.get('data')}{split}", {}).update(counts)
    lines = [
        f"{data}: {', '.join(f'{count:,} of {part}' for part, count in counts.items())}"
        for data, counts in missing.items()
        if counts
    ]
    if not lines:
        return ""
    return f"Listed videos that were missing, wrong where tested: {'; '.join(lines)}."


def failed_trainings_line(results: Results) -> str:
    """Which pretrainings ended without telling videos apart, and in which embeddings collapsed."""
    lines = []
    for verdict, failed in (
        ("Did not train (instance top-1 ended under three times chance)", did_not_train),
        (f"Collapsed (spread of embeddings ended under {LEAST_SPREAD:g})", has_collapsed),
    ):
        runs = [
            # Its folder names the run that was trained: others may use its encoder.
            f"{Path(run.run_folder).parts[-3]} on {run.backbone}, seed {run.seed}, "
            f"{run.pretrained_on}"
            for run in results.evaluations.drop_duplicates("run_folder").itertuples(index=False)
            if failed(results.records.get(record_path(run, "pretrain"), {}))
        ]
        lines += [f"{verdict}: {'; '.join(runs)}."] if runs else []
    return " ".join(lines)


def has_collapsed(record: dict[str, Any]) -> bool:
    """Whether the embeddings of some term ended nearly all alike; `hdc.objectives.spread`."""
    metrics = record.get("metrics", {})
    spread = metrics.get("spread") if metrics.get("steps") else None
    return bool(spread) and min(spread.values()) < LEAST_SPREAD


def did_not_train(record: dict[str, Any]) -> bool:
    """Whether a pretraining ended without telling its videos apart.

    The record has the running top-1 among the other view's clips of the batch, so corrected that
    chance is 0 and all are found at 1.
    """
    metrics = record.get("metrics", {})
    if not metrics.get("steps") or not metrics.get("invariance"):
        return False
    chance = 1 / record["settings"]["pretrain"]["batch_size"]
    return max(metrics["invariance"].values()) < 2 * chance / (1 - chance)  # three times, corrected


def doubts(results: Results, **where: str) -> list[str]:
    """What speaks against the numbers of some evaluations: leaks that the study allowed."""
    reasons = []
    for record in (*results.of("finetune", **where), *results.of("evaluate", **where)):
        facts = record.get("protocol", {})
        tested = f"{facts.get('test_videos'):,} test videos of {facts.get('data')}"
        if seen := facts.get("pretrained_on_test_videos"):
            reasons.append(f"pretrained on {seen:,} of the {tested}, which flatters it")
        if copies := facts.get("test_videos_with_copies_in_training"):
            reasons.append(f"{copies:,} of the {tested} have a copy in the training part")
        if words := facts.get("pretraining_videos_unknown"):
            reasons.append(f"which videos it was pretrained on is not known ({words})")
    return list(dict.fromkeys(reasons))


def other_networks(results: Results, **where: str) -> list[str]:
    """Which networks a run has in place of those of its backbone, as the records of `hdc` tell."""

    def parts(**of: str) -> dict[str, Any]:
        settings = [record["settings"].get("backbone") for record in results.of("pretrain", **of)]
        return {part["_target_"]: part for part in settings if isinstance(part, dict)}

    usual = parts(**where | {"ablation": BASE})
    own = parts(**where) if usual and "ablation" in where else {}
    return [
        f"a network of its own: {' '.join([target.rpartition('.')[2], str(part.get('model', ''))])}"
        for target, part in own.items()
        if target not in usual
    ]


def chance_line(results: Results, *targets: str) -> str:
    """The accuracy of guessing, in percent: of `R@<k>` or of a probed factor, by data set."""
    lines = []
    for data in results.evaluations["data"].unique():
        by_target = {target: chances(results, target, data) for target in targets}
        facts = [
            f"{target} {' or '.join(map(percent, shares))}"
            for target, shares in by_target.items()
            if shares
        ]
        if facts:
            lines.append(f"Chance on {data} (%): {', '.join(facts)}.")
    return " ".join(lines)


def chances(results: Results, target: str, data: str) -> list[float]:
    """The shares that guessing gets right, different ones in order: one unless splits differ."""
    if target.startswith("R@"):
        k = int(target.removeprefix("R@"))
        shares = [recorded_chance(record, k) for record in results.of("evaluate", data=data)]
        return sorted({round(value, 6) for value in shares if value is not None})
    rows = results.evaluations[results.evaluations["data"] == data]
    path = ("metrics", "linear", LEVEL, target, "chance")
    values = cells(results, "evaluate", path, rows)["value"].dropna()
    return sorted({round(value, 6) for value in values})


def _words(value: Any) -> str:
    """A value of a record as words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and abs(value) >= 10000:
        return f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
