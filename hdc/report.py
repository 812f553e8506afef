"""Records to tables, figures and one page; nothing is computed from anything but records.

Writes tables/*.{csv,md,tex}, figures/*.{png,pdf} and report.html, which holds everything and needs
no network. A missing record is shown as missing, with its path; a damaged file is left out, and
the page says which and why.
"""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from hdc.analysis.absences import absences, absent_records
from hdc.analysis.number_formats import sentence
from hdc.analysis.results import Results, read_results
from hdc.analysis.video_outcomes import Outcomes, read_outcomes
from hdc.reporting.captions import protocols
from hdc.reporting.figures.all import all_figures
from hdc.reporting.figures.fonts import without_font
from hdc.reporting.figures.style import Picture
from hdc.reporting.page.cards import WORDS, cards, provenance
from hdc.reporting.page.dag import dag
from hdc.reporting.page.runs import runs
from hdc.reporting.page.summary import how_to_read, video_facts, what_was_run
from hdc.reporting.page.tables import plain, shown
from hdc.reporting.tables.all import all_tables
from hdc.reporting.tables.table import Table
from hdc.runtime.atomic_files import write_text
from hdc.runtime.errors import InputError
from hdc.settings.stage import Stage, StageJob, argument
from hdc.study.record_files import RecordFile
from hdc.study.stages import RECORDED, STAGES

FIRST = ("preregistered", "ablation")  # the tables and figures that answer the study's question
SHOWN_RUNS = 3  # whose augmented views and nearest neighbors the page shows


@dataclass(frozen=True, kw_only=True)
class ReportJob(StageJob):
    """What a report is told."""

    study: Path = argument("results/<study>/study.json, which says what to expect")
    output_dir: Path = argument("results/<study>")
    outdated: Path | None = argument(
        "a file that names files to be made again, one a line: they count as missing",
        default=None,
    )


STAGE = Stage("report", __doc__, ReportJob)


def main(job: ReportJob) -> None:
    """Write the tables, the figures and the page of a study."""
    outdated = job.outdated.read_text().splitlines() if job.outdated else []
    output, results = job.output_dir, read_results(job.study, outdated)
    outcomes = Outcomes(results)
    tables, pictures = all_tables(results, outcomes), all_figures(results, outcomes)
    for table in tables:
        table.write(output / "tables")
    for picture in pictures:
        picture.write(output / "figures")
    write_text(output / "report.html", page(results, tables, pictures))
    for reason in results.damaged.values():
        print(f"left out as damaged: {reason}; delete it and run again", flush=True)
    print(f"{output / 'report.html'}: {len(results.missing)} records missing", flush=True)


def page(results: Results, tables: list[Table], pictures: list[Picture]) -> str:
    """The report as one HTML page with its images inside."""
    opened = cards(results, tables)
    filled = {table.name: shown(table, opened) for table in tables if len(table.text)}
    images = {picture.name: _shown_picture(picture) for picture in pictures}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hdc.reporting.page", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        study=results.study["study"],
        question=results.study.get("question", ""),
        run=what_was_run(results),
        reading=how_to_read(results),
        answers=[filled[name] for name in FIRST if name in filled],
        answer_pictures=[images[name] for name in FIRST if name in images],
        tables=[table for name, table in filled.items() if name not in FIRST],
        runs=runs(results),
        pictures=[image for name, image in images.items() if name not in FIRST],
        views=pictures_of_runs(results, "run_folder", STAGES["pretrain"].outputs["views"]),
        neighbors=pictures_of_runs(results, "folder", STAGES["evaluate"].outputs["neighbors"]),
        protocols=protocols_by_stage(results),
        videos=plain("videos", **video_facts(results)),
        dag=dag(results),
        cards=list(opened.values()),
        without_font=without_font(names_drawn(results, pictures)),
        provenance=provenance(results.records.values()),
        gaps=[f"{run}: {why}" for run, why in results.study.get("gaps", {}).items()],
        missing=len(absent_records(results)),
        expected=results.expected(),
        absences=[one.text() for one in absences(results)],
        damaged=list(results.damaged.values()),  # last: what is read above may be damaged, too
    )


def pictures_of_runs(results: Results, folder: str, name: str) -> list[dict[str, str]]:
    """A picture that the stages left in a `folder` of each run, of the first runs that have it."""
    pictures = []
    for row in results.evaluations.drop_duplicates("ablation").itertuples(index=False):
        image = results.read(f"{getattr(row, folder)}/{name}", read_png)
        if image is not None:
            pictures.append({"run": row.ablation, "image": _inline(image)})
        if len(pictures) == SHOWN_RUNS:
            break
    return pictures


def names_drawn(results: Results, pictures: list[Picture]) -> Iterator[str]:
    """All text in the figures, and names that pictures of neighbors may have: labels, videos."""
    for picture in pictures:
        yield from picture.texts
    for row in results.evaluations.drop_duplicates(["data", "split"]).itertuples(index=False):
        tested = read_outcomes(results, row, "evaluate")
        if tested is not None:
            yield from (*tested.index, *tested["label"])


def read_png(path: RecordFile) -> bytes:
    """The bytes of a PNG; raises InputError for another or a damaged file."""
    content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.verify()
    except (OSError, SyntaxError, ValueError) as error:  # as Pillow has it
        raise InputError("expected a whole PNG, found another or a damaged file") from error
    return content


def protocols_by_stage(results: Results) -> list[dict[str, Any]]:
    """How the numbers of each stage and data set were made, over all runs."""
    return [
        {"title": f"{sentence(WORDS[stage])} on {data}", "facts": facts}
        for stage in RECORDED
        for data in results.evaluations["data"].unique()
        if (facts := protocols(results, stage, data))
    ]


def _shown_picture(picture: Picture) -> dict[str, Any]:
    """A figure as the page needs it."""
    return {
        "name": picture.name,
        "title": picture.title,
        "caption": picture.caption,
        "drawn": picture.drawn,
        "image": _inline(picture.png),
        "width": round(100 * picture.figure.get_figwidth()),  # pixels, at 100 an inch
    }


def _inline(image: bytes) -> str:
    """A PNG as the address of an image that the page carries inside."""
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


if __name__ == "__main__":
    STAGE.run(main)
