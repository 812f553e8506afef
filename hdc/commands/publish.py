"""Copies what is worth committing of a finished study: tables, figures, and the records they need.

The report can be made again from the copy alone: `python -m hdc.report study=<copy>/study.json`.
Left out are encoders, features, pictures of videos and what no table or figure reads: scores of
single classes, and outcomes of other levels than the last.
"""

import shutil
from pathlib import Path

import pandas as pd

from hdc.analysis.results import Results, read_logs, read_results, record_path
from hdc.analysis.video_outcomes import FILES, outcome_columns, read_outcomes
from hdc.reporting.figures.feature_map import read_maps
from hdc.runtime.atomic_files import write_text
from hdc.runtime.errors import InputError

RESULTS = Path("results")
WHOLE = ("study.json", "tables/*", "figures/*")
MAP = "map.csv"  # of a run's first seed and split only: no figure shows more


def publish(study: str) -> Path:
    """Copy a study to results/published/<study>, whole or not at all; an older copy is replaced.

    Records of runs that the study no longer has stay behind. Raises InputError if the study has no
    report of what it has now, or a damaged file.
    """
    source, target = RESULTS / study, RESULTS / "published" / study
    _require_report(source, study)
    results = read_results(source / "study.json")
    _require_whole(results)
    # Beside the target, so that an older copy is replaced by a whole one.
    fresh, old = target.with_name(f".{study}.new"), target.with_name(f".{study}.old")
    for folder in (fresh, old):
        shutil.rmtree(folder, ignore_errors=True)
    for path in [path for pattern in WHOLE for path in sorted(source.glob(pattern))]:
        _copy(path, results, fresh)
    _copy_records(results, fresh)
    _copy_outcomes(results, fresh)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    files = [path for path in target.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"{target}: {len(files)} files, {size / 2**20:.1f} MiB")
    return target


def _require_report(source: Path, study: str) -> None:
    """Refuse a study without a report, or whose plan was written after it."""
    report, plan = source / "report.html", source / "study.json"
    found = "none"
    if report.is_file() and plan.is_file():
        if report.stat().st_mtime >= plan.stat().st_mtime:
            return
        found = "one older than study.json"
    raise InputError(
        f"{source}: expected a finished study with a report, found {found}; "
        f"run snakemake --cores all --configfile config/{study}.yaml"
    )


def _require_whole(results: Results) -> None:
    """Refuse a study of which a file that is about to be copied is damaged."""
    read_logs(results)
    for row in results.evaluations.itertuples(index=False):
        for stage in FILES:
            read_outcomes(results, row, stage)
    for _, rows in results.evaluations.groupby(["data", "backbone"], observed=True):
        read_maps(results, rows)
    if results.damaged:
        first, *others = results.damaged.values()
        more = f", and {len(others)} more" if others else ""
        raise InputError(f"{first}{more}; delete what is damaged and run the workflow again")


def _copy_records(results: Results, target: Path) -> None:
    """Copy the records of the study's evaluations, and the logs of their pretrainings."""
    logs = [f"{folder}/log.jsonl" for folder in dict.fromkeys(results.evaluations["run_folder"])]
    for path in (*results.records, *logs):
        file = results.file(path)
        if file.is_file():  # what is taken over has no log
            _copy(file, results, target)


def _copy(file: Path, results: Results, target: Path) -> None:
    copy = _copy_of(file, results, target)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, copy)


def _copy_outcomes(results: Results, target: Path) -> None:
    """Copy what the records say by test video, as far as tables and figures read it."""
    shown = set(results.evaluations.drop_duplicates(["backbone", "data", "ablation"])["folder"])
    for row in results.evaluations.itertuples(index=False):
        for stage, name in FILES.items():
            file, record = results.file(f"{row.folder}/{name}"), record_path(row, stage)
            if file.is_file() and record in results.records:
                table = pd.read_csv(file, dtype=str, keep_default_na=False)
                columns = outcome_columns(results.records[record], list(table))
                text = table[columns].to_csv(index=False, lineterminator="\n")
                write_text(_copy_of(file, results, target), text)
        places = results.file(f"{row.folder}/{MAP}")
        if row.folder in shown and places.is_file():
            _copy(places, results, target)


def _copy_of(file: Path, results: Results, target: Path) -> Path:
    return target / file.relative_to(results.folder)
