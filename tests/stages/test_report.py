import re
import shutil
import sys

import pytest
from planted_study import plant

from hdc.reporting.contents import FIGURES, TABLES


@pytest.fixture
def report(tmp_path, call, root):
    def make(study):
        done = call(
            "hdc.report", f"study={study}", f"output_dir={tmp_path / 'out'}", cwd=root, check=True
        )
        return done.stdout, tmp_path / "out"

    return make


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}


def test_writes_every_table_figure_and_the_page(report, tmp_path):
    said, output = report(plant(tmp_path))
    assert said.endswith("report.html: 0 records missing\n")
    expected = {f"tables/{name}.{kind}" for name in TABLES for kind in ("csv", "md", "tex")}
    expected |= {f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "pdf")}
    assert set(files(output)) == expected | {"report.html"}


def test_deleted_and_made_again_gives_the_same_bytes(report, tmp_path):
    study = plant(tmp_path, ablations=("hdc", "coupled_single_level", "random_init"))
    first = files(report(study)[1])
    shutil.rmtree(tmp_path / "out")
    assert files(report(study)[1]) == first


def test_the_page_needs_no_network(report, tmp_path):
    page = (report(plant(tmp_path))[1] / "report.html").read_text()
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


def test_making_a_report_never_imports_torch(call, root, tmp_path):
    code = (
        "import sys; sys.argv = ['report', sys.argv[1], sys.argv[2]]; import hdc.report as r; "
        "r.STAGE.run(r.main); sys.exit('torch' in sys.modules)"
    )
    study, output = f"study={plant(tmp_path)}", f"output_dir={tmp_path / 'out'}"
    call(sys.executable, "-c", code, study, output, cwd=root, check=True)
