"""What the page says about a study in words: what was run, how to read it, which videos it saw."""

from collections.abc import Iterable
from typing import Any

from hdc.analysis.number_formats import BLANK, seeds_text
from hdc.analysis.results import Results, record_path
from hdc.analysis.seed_statistics import SEEDS_FOR_P
from hdc.reporting.tables.preregistered import NONE

PARTS = {"train": "training", "val": "validation", "test": "test"}
LEAKS = {
    "test_videos_with_copies_in_training": "with a copy in training",
    "pretrained_on_test_videos": "seen in pretraining",
}


def what_was_run(results: Results) -> str:
    """Runs, backbones, data sets, seeds and scale in one line."""
    rows = results.evaluations
    backbones = list(rows["backbone"].unique())
    data_sets = [
        f"{data} (split{'s' if len(splits) > 1 else ''} {', '.join(map(str, splits))})"
        for data, group in rows.groupby("data", observed=True)
        for splits in [sorted(group["split"].unique())]
    ]
    counts = f"{_plural(rows['ablation'].nunique(), 'run')} on {', '.join(data_sets)}"
    networks = f"{_plural(len(backbones), 'backbone')} ({', '.join(backbones)})"
    seeds = seeds_text(rows["seed"].nunique())
    return f"{counts}; {networks}; {seeds}; scale {results.study['scale']}."


def how_to_read(results: Results) -> str:
    """What the seeds that are there allow to say about differences."""
    rows = results.evaluations
    seeds = {
        row.seed
        for row in rows.itertuples(index=False)
        for stage in ("evaluate", "finetune")
        if record_path(row, stage) in results.records
    }
    counted = seeds_text(len(seeds))
    if not seeds:
        return "No record of a judged run is there yet."
    if len(seeds) == 1:
        return f"{counted}: no interval, and differences are not tested."
    if len(seeds) < SEEDS_FOR_P:
        return (
            f"{counted}: intervals over seeds are wide, and differences are not tested, which "
            f"takes {SEEDS_FOR_P} seeds."
        )
    if not results.study.get("comparisons"):
        return f"{counted}. {NONE}"
    return (
        f"{counted}: the comparisons that the study declared beforehand are tested; every other "
        "difference is descriptive."
    )


def video_facts(results: Results) -> dict[str, list]:
    """A table of each split's videos: by part, classes, and those that could not be used."""
    columns = ["data set", "split", *PARTS.values(), "classes", "unusable in test"]
    columns += [*LEAKS.values(), "rejected", "missing"]
    keys = results.evaluations[["data", "split"]].drop_duplicates().itertuples(index=False)
    rows = [[str(data), str(split), *_videos(results, data, split)] for data, split in keys]
    quiet = {name for place, name in enumerate(columns) if all(row[place] == "0" for row in rows)}
    quiet &= set(LEAKS.values())
    kept = [place for place, name in enumerate(columns) if name not in quiet]
    return {
        "columns": [columns[place] for place in kept],
        "rows": [[row[place] for place in kept] for row in rows],
    }


def _videos(results: Results, data: str, split: int) -> list[str]:
    """One row; old records say less, and what none says is blank."""
    where = {"data": data, "split": split}
    judged = results.of("evaluate", **where)
    videos = [record["metrics"]["videos"] for record in judged if "videos" in record["metrics"]]
    tested = [record.get("protocol", {}) for record in (*judged, *results.of("finetune", **where))]
    row = [_values(facts.get(part) for facts in videos) for part in PARTS]
    if row[-1] == BLANK:
        row[-1] = _values(facts.get("test_videos") for facts in tested)
    row.append(_values(facts.get("classes") for facts in videos))
    row.append(_values(facts.get("unusable_test_videos") for facts in tested))
    row += [_values(facts.get(key, 0) for facts in tested) for key in LEAKS]
    row.append(_values(_reasons(facts.get("rejected")) for facts in videos))
    row.append(_values(_reasons(facts.get("missing_videos")) for facts in tested))
    return row


def _values(values: Iterable[Any]) -> str:
    """Different values in words; they agree unless the data were prepared again in between."""
    known = dict.fromkeys(value for value in values if value is not None)
    texts = (f"{value:,}" if isinstance(value, int) else str(value) for value in known)
    return ", ".join(texts) or BLANK


def _reasons(counts: dict[str, int] | None) -> str:
    """Counts by reason or part, as in `2 too short`."""
    return ", ".join(f"{count:,} {name}" for name, count in (counts or {}).items()) or "none"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
