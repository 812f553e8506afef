"""The tables of planted records, with one missing cell, as files that were checked by eye.

Written anew, on purpose, with `python tests/golden/test_tables.py`; what they say is worked out by
hand in tests/unit/reporting/tables/ and tests/unit/analysis/.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
from planted_comparisons import plant_comparisons
from same_tables import require_same_table

from hdc.analysis.results import read_results
from hdc.reporting.contents import TABLES
from hdc.reporting.tables.all import all_tables

GOLDEN = Path(__file__).parent / "tables"
DOCUMENT = r"""\documentclass{article}
%s
\begin{document}
%s
\end{document}
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    for table in all_tables(read_results(plant_comparisons(folder / "study"))):
        table.write(folder)
    return folder


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("form", ["csv", "md", "tex"])
def test_the_tables_are_the_recorded_ones(written, name, form):
    require_same_table(written / f"{name}.{form}", GOLDEN / f"{name}.{form}")


def test_a_last_digit_is_not_told_apart_and_another_number_is(tmp_path):
    for name, number in (("one", 0.1), ("rounded", 0.1 + 1.4e-17), ("other", 0.1001)):
        (tmp_path / f"{name}.csv").write_text(f"run,top1\nhdc,{number!r}\n")
    require_same_table(tmp_path / "rounded.csv", tmp_path / "one.csv")
    with pytest.raises(AssertionError):
        require_same_table(tmp_path / "other.csv", tmp_path / "one.csv")


def test_every_table_is_golden(written):
    assert {path.stem for path in written.glob("*.csv")} == set(TABLES)


@pytest.mark.parametrize("packages", ["booktabs", "booktabs,graphicx"])
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_the_latex_compiles_as_it_is(written, tmp_path, packages):
    names = "\n".join(rf"\input{{{(written / name).as_posix()}.tex}}\clearpage" for name in TABLES)
    (tmp_path / "all.tex").write_text(DOCUMENT % (rf"\usepackage{{{packages}}}", names))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
    if "graphicx" in packages:  # then every table fits the page
        assert "Overfull \\hbox" not in done.stdout


if __name__ == "__main__":
    import tempfile

    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as planted:
        for one in all_tables(read_results(plant_comparisons(Path(planted) / "study"))):
            one.write(GOLDEN)
    print(f"written: {GOLDEN}")
