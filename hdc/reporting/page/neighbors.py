"""A page of what lies near what: some videos of a folder, each beside its nearest neighbors."""

import base64
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pyarrow as pa

from hdc.evaluation.retrieval import nearest
from hdc.runtime.atomic_files import write_text

QUERIES, NEIGHBORS = 100, 6  # shown; a picture is about 3 kB


def write_page(path: Path, table: pa.Table, *, encoder: str, level: str) -> None:
    """Write one self-contained page; `table` has path, picture, the level and maybe label.

    If there are more videos than QUERIES, those shown are spaced evenly over the table. Neighbors
    are searched for among all of them, by the cosine of the vectors of `level`.
    """
    places = np.linspace(0, len(table) - 1, min(QUERIES, len(table))).round().astype(int)
    column = table[level].combine_chunks()
    vectors = np.asarray(column.flatten()).reshape(len(table), -1)
    similarity, found = nearest(vectors[places], vectors, count=NEIGHBORS + 1)
    rows = [
        [_video(table, int(place), None), *_others(table, int(place), cosines, near)]
        for place, cosines, near in zip(places, similarity, found, strict=True)
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hdc.reporting.page", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("neighbors.html.j2")
    facts = {"encoder": encoder, "level": level, "videos": len(table), "neighbors": NEIGHBORS}
    write_text(path, page.render(rows=rows, labelled="label" in table.column_names, **facts))


def _others(
    table: pa.Table, place: int, cosines: np.ndarray, near: np.ndarray
) -> list[dict[str, Any]]:
    """The nearest of a video; itself is left out, wherever its copies stand."""
    found = zip(near.tolist(), cosines.tolist(), strict=True)
    return [_video(table, row, cosine) for row, cosine in found if row != place][:NEIGHBORS]


def _video(table: pa.Table, row: int, cosine: float | None) -> dict[str, Any]:
    """What is shown of a video."""
    picture = base64.b64encode(table["picture"][row].as_py()).decode()
    label = table["label"][row].as_py() if "label" in table.column_names else ""
    return {
        "path": table["path"][row].as_py(),
        "label": label,
        "picture": f"data:image/jpeg;base64,{picture}",
        "cosine": cosine,
    }
