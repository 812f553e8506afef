import re
import shutil
import sys

import pytest
from planted_study import plant

from hdc.reporting.contents import FIGURES, TABLES

WITHOUT_TORCH = (
    "import sys; sys.argv = ['report', sys.argv[1], sys.argv[2]]; import hdc.report as r; "
    "r.STAGE.run(r.main); sys.exit('torch' in sys.modules)"
)


@pytest.fixture
def report(tmp_path, call, root):
    def make(study):
        words = (f"study={study}", f"output_dir={tmp_path / 'out'}")
        return call("hdc.report", *words, cwd=root, check=True).stdout, tmp_path / "out"

    return make


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A study of three runs that nothing changes."""
    runs = ("hdc", "coupled_single_level", "random_init")
    return plant(tmp_path_factory.mktemp("planted"), ablations=runs)


@pytest.fixture(scope="module")
def made(planted, call, root, tmp_path_factory):
    """Its report, made by a Python of its own, which fails if it imported torch."""
    output = tmp_path_factory.mktemp("report")
    words = (f"study={planted}", f"output_dir={output}")
    done = call(sys.executable, "-c", WITHOUT_TORCH, *words, cwd=root)
    return done, output


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}


def test_writes_every_table_figure_and_the_page_and_never_imports_torch(made):
    done, output = made
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("report.html: 0 records missing\n")
    expected = {f"tables/{name}.{kind}" for name in TABLES for kind in ("csv", "md", "tex")}
    expected |= {f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "pdf")}
    assert set(files(output)) == expected | {"report.html"}


def test_made_again_elsewhere_it_has_the_same_bytes(report, planted, made):
    assert files(report(planted)[1]) == files(made[1])


def test_the_page_needs_no_network(made):
    page = (made[1] / "report.html").read_text()
    addresses = re.findall(r"(?:src|href)=\"([^\"]*)\"|url\(([^)]*)\)", page)
    assert addresses
    found = [address for pair in addresses for address in pair if address]
    assert all(address.startswith(("data:", "#")) for address in found)
    assert "<script" not in page and "@import" not in page


def test_the_page_says_what_is_missing_and_which_commits(report, tmp_path):
    study = plant(tmp_path)
    (tmp_path / "runs/r3d18/hdc/seed0/synthetic-split1/pretrain.json").unlink()
    record = tmp_path / "runs/r3d18/hdc/seed1/synthetic-split1/pretrain.json"
    record.write_text(record.read_text().replace("0123456789abcdef", "fedcba9876543210"))
    said, output = report(study)
    page = (output / "report.html").read_text()
    assert said.endswith("1 records missing\n")
    assert "no record: " in page and "2 states of the code" in page


def test_a_study_without_records_still_has_its_page(report, tmp_path):
    study = plant(tmp_path)
    shutil.rmtree(tmp_path / "runs")
    said, _ = report(study)
    assert said.endswith("24 records missing\n")
