"""Copies what is worth committing of a finished study: tables, figures, and the records they need.

The report can be made again from the copy alone: `python -m hdc.report study=<copy>/study.json`.
The records lie in one file, records.zip; where it was unzipped, what lies in runs/ is read instead.
Left out are encoders, features, pictures of videos, the forms of tables and figures that the report
makes again (LaTeX, PNG), and what no table, figure or comparison reads of a test video: scores of
single classes, and outcomes that no measure has. Of the log of a job that failed, its last words.
"""

import shutil
from pathlib import Path

import pandas as pd

from hdc.analysis.absences import absences
from hdc.analysis.measures import by_video
from hdc.analysis.results import Results, read_results, record_path
from hdc.analysis.training_logs import read_logs
from hdc.analysis.video_outcomes import FILES, outcome_columns, read_outcomes
from hdc.reporting.figures.feature_map import MAP, read_maps
from hdc.runtime.atomic_files import write_text
from hdc.runtime.errors import InputError
from hdc.runtime.zip_files import write_zip
from hdc.study.logs import last_words
from hdc.study.record_files import PACKED
from hdc.study.stages import STAGES

RESULTS = Path("results")
# PNG is large, and needed only of the figure that pages of text show.
WHOLE = ("study.json", "tables/*.csv", "tables/*.md", "figures/*.pdf", "figures/ablation.png")


def publish(study: str) -> Path:
    """Copy a study to results/published/<study>, whole or not at all; an older copy is replaced.

    Records of runs that the study no longer has stay behind. Equal studies make equal bytes. Raises
    InputError if the study has no up-to-date report, or a damaged file.
    """
    source, target = RESULTS / study, RESULTS / "published" / study
    require_report(source, study)
    results = read_results(source / "study.json")
    _require_whole(results)
    # Beside the target, so that an older copy is replaced by a whole one.
    fresh, old = target.with_name(f".{study}.new"), target.with_name(f".{study}.old")
    for folder in (fresh, old):
        shutil.rmtree(folder, ignore_errors=True)
    for path in [path for pattern in WHOLE for path in sorted(source.glob(pattern))]:
        copy = fresh / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    home = Path("results", results.study["study"])
    contents = _records(results) | _outcomes(results)
    packed = {
        Path(path).relative_to(home).as_posix(): content for path, content in contents.items()
    }
    write_zip(fresh / PACKED, packed)
    for stage, name in {key for one in absences(results) for key in one.causes}:
        log = Path(source, "logs", stage, f"{name}.log")
        if log.is_file():
            write_text(fresh / log.relative_to(source), f"{last_words(log)[1]}\n")
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    files = [path for path in target.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"{target}: {len(files)} files, {size / 2**20:.1f} MiB")
    return target


def require_report(source: Path, study: str) -> None:
    """Refuse a study without a report, or whose plan was written after it."""
    report, plan = source / "report.html", source / "study.json"
    present = "none"
    if report.is_file() and plan.is_file():
        if report.stat().st_mtime >= plan.stat().st_mtime:
            return
        present = "one older than study.json"
    raise InputError(
        f"{source}: expected a finished study with a report, found {present}; "
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
        first, *remaining = results.damaged.values()
        more = f", and {len(remaining)} more" if remaining else ""
        raise InputError(f"{first}{more}; delete what is damaged and run the workflow again")


def _records(results: Results) -> dict[str, bytes]:
    """The records of the study's evaluations, the logs of their pretrainings, and maps, by path."""
    rows = results.evaluations
    # A figure shows the map of a run's first seed and split only.
    shown = rows.drop_duplicates(["backbone", "data", "ablation"])["folder"]
    logs = [f"{folder}/{STAGES['pretrain'].training_log}" for folder in rows["run_folder"]]
    paths = dict.fromkeys([*results.records, *logs, *(f"{folder}/{MAP}" for folder in shown)])
    files = {path: results.file(path) for path in paths}
    # What is taken over has no log.
    return {path: file.read_bytes() for path, file in files.items() if file.is_file()}


def _outcomes(results: Results) -> dict[str, bytes]:
    """What the records say by test video, by path, as far as runs are compared by it."""
    texts, measures = {}, by_video(results)
    for row in results.evaluations.itertuples(index=False):
        for stage, name in FILES.items():
            path = f"{row.folder}/{name}"
            file, record = results.file(path), results.records.get(record_path(row, stage))
            if record is not None and file.is_file():
                with file.open("rb") as content:
                    table = pd.read_csv(content, dtype=str, keep_default_na=False)
                columns = outcome_columns(record, list(table), measures)
                text = table[columns].to_csv(index=False, lineterminator="\n")
                texts[path] = text.encode()
    return texts
