"""The published studies: their tables come from their records, and nothing else; all are small."""

from pathlib import Path

import pytest
from same_tables import require_same_table

from hdc.analysis.results import read_results
from hdc.reporting.tables.all import all_tables

PUBLISHED = Path(__file__).parents[2] / "results/published"
STUDIES = sorted(PUBLISHED.glob("*/study.json"))
MOST_FILES, MOST_BYTES = 170, 8_000_000  # who clones the repository gets them all


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.parent.name)
def test_the_tables_are_those_of_the_records(study, tmp_path):
    results = read_results(study)
    assert not results.missing
    tables = all_tables(results)
    for table in tables:
        table.write(tmp_path)
    assert not results.damaged
    published = sorted((study.parent / "tables").iterdir())
    made = {path.name for path in tmp_path.iterdir() if path.suffix != ".tex"}
    # Older studies lack tables of what they were not asked for.
    empty = {
        f"{table.name}.{form}" for table in tables if not len(table.text) for form in ("csv", "md")
    }
    assert made - empty <= {path.name for path in published} <= made
    for path in published:
        require_same_table(tmp_path / path.name, path)


def test_they_are_few_and_small():
    files = [path for path in PUBLISHED.rglob("*") if path.is_file()]
    assert len(files) <= MOST_FILES
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


def test_the_demo_is_published():
    assert "demo" in [study.parent.name for study in STUDIES]
