"""The published studies: their tables come from their records, and nothing else."""

from pathlib import Path

import pytest

from hdc.results import read_results
from hdc.tables import all_tables

STUDIES = sorted((Path(__file__).parents[1] / "results/published").glob("*/study.json"))


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.parent.name)
def test_the_tables_are_those_of_the_records(study, tmp_path):
    results = read_results(study)
    assert not results.missing
    for table in all_tables(results):
        table.write(tmp_path)
    assert not results.damaged
    written, published = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (tmp_path, study.parent / "tables")
    )
    assert written == published


def test_the_demo_is_published():
    assert "demo" in [study.parent.name for study in STUDIES]
