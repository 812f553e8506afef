"""The published studies: their tables come from their records, and nothing else."""

from pathlib import Path

import pytest
from same_tables import require_same_table

from hdc.analysis.results import read_results
from hdc.reporting.tables.all import all_tables

STUDIES = sorted((Path(__file__).parents[2] / "results/published").glob("*/study.json"))


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.parent.name)
def test_the_tables_are_those_of_the_records(study, tmp_path):
    results = read_results(study)
    assert not results.missing
    for table in all_tables(results):
        table.write(tmp_path)
    assert not results.damaged
    published = sorted((study.parent / "tables").iterdir())
    assert [path.name for path in published] == sorted(path.name for path in tmp_path.iterdir())
    for path in published:
        require_same_table(tmp_path / path.name, path)


def test_the_demo_is_published():
    assert "demo" in [study.parent.name for study in STUDIES]
