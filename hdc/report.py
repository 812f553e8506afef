"""Records to tables, figures and one page; nothing is computed from anything but records.

Writes tables/*.{csv,md,tex}, figures/*.{png,pdf} and report.html, which holds everything and needs
no network. A missing record is shown as missing, with its path.
"""

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2

from hdc.atomic import write_text
from hdc.figures import Picture, all_figures
from hdc.results import STAGES, Results, read_results
from hdc.stage import Stage
from hdc.table import Table
from hdc.tables import all_tables
from hdc.wording import protocols, sentence

TEMPLATE = Path(__file__).with_name("report.html.j2")
SHOWN_RUNS = 3  # whose augmented views and nearest neighbors the page shows

STAGE = Stage(
    name="report",
    about=__doc__,
    choices=(),
    arguments={
        "study": "results/<study>/study.json, which says what to expect",
        "output_dir": "results/<study>",
    },
    reads=(),
)


def main(_: SimpleNamespace, arguments: SimpleNamespace) -> None:
    """Write the tables, the figures and the page of a study."""
    output = Path(arguments.output_dir)
    results = read_results(arguments.study)
    tables, pictures = all_tables(results), all_figures(results)
    for table in tables:
        table.write(output / "tables")
    for picture in pictures:
        picture.write(output / "figures")
    write_text(output / "report.html", page(results, tables, pictures))
    print(f"{output / 'report.html'}: {len(results.missing)} records missing", flush=True)


def page(results: Results, tables: list[Table], pictures: list[Picture]) -> str:
    """The report as one HTML page with its images inside."""
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return template.from_string(TEMPLATE.read_text()).render(
        study=results.study["study"],
        scale=results.study["scale"],
        tables=[_shown_table(table) for table in tables],
        pictures=[
            {
                "name": picture.name,
                "title": picture.title,
                "caption": picture.caption,
                "image": _inline(picture.content("png")),
                "width": round(100 * picture.figure.get_figwidth()),  # pixels, at 100 an inch
            }
            for picture in pictures
        ],
        views=pictures_of_runs(results, "run_folder", "views.png"),
        neighbors=pictures_of_runs(results, "folder", "neighbors.png"),
        runs=runs(results),
        protocols=protocol_cards(results),
        provenance=provenance(results),
        missing=list(results.missing.values()),
    )


def pictures_of_runs(results: Results, folder: str, name: str) -> list[dict[str, str]]:
    """A picture that the stages left in a `folder` of each run, of the first runs that have it."""
    found = []
    for row in results.evaluations.drop_duplicates("ablation").itertuples(index=False):
        path = results.file(getattr(row, folder)) / name
        if path.is_file():
            found.append({"run": row.ablation, "image": _inline(path.read_bytes())})
    return found[:SHOWN_RUNS]


def runs(results: Results) -> list[dict[str, Any]]:
    """Every run with its question and, as text, the settings that its records hold."""
    listed = []
    for name, about in results.study["ablations"].items():
        settings = {
            stage: records[0]["settings"]
            for stage in STAGES
            if (records := results.of(stage, ablation=name))
        }
        listed.append({"name": name, **about, "settings": _flat(settings)})
    return listed


def protocol_cards(results: Results) -> list[dict[str, Any]]:
    """How the numbers of each stage and data set were made."""
    return [
        {"title": f"{sentence(stage)} on {data}", "facts": facts}
        for stage in STAGES
        for data in results.evaluations["data"].unique()
        if (facts := protocols(results, stage, data))
    ]


def provenance(results: Results) -> dict[str, list[str]]:
    """Commits, devices and versions of all records; more than one commit means a mixed study."""
    commits, devices, versions = [], [], []
    for record in results.records.values():
        commit = record.get("commit") or "none: not in a checkout"
        commits.append(f"{commit}, modified" if record.get("modified") else commit)
        devices.append(record.get("device", "not recorded"))
        versions += [f"{name} {number}" for name, number in record.get("versions", {}).items()]
    return {
        name: list(dict.fromkeys(values))
        for name, values in (("commits", commits), ("devices", devices), ("versions", versions))
    }


def _shown_table(table: Table) -> dict[str, Any]:
    """A table as the page needs it."""
    return {
        "name": table.name,
        "title": table.title,
        "caption": table.caption,
        "columns": list(table.text),
        "rows": table.text.values.tolist(),
        "notes": table.notes,
    }


def _flat(settings: Any, key: str = "") -> dict[str, str]:
    """Nested settings as dotted key -> value."""
    if not isinstance(settings, dict):
        return {key: str(settings)}
    flat = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{key}.{name}" if key else str(name))
    return flat


def _inline(image: bytes) -> str:
    """A PNG as the address of an image that the page carries inside."""
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


if __name__ == "__main__":
    STAGE.run(main)
