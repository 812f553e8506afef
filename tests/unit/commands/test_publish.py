"""A published study says in its packed form what its folder says, is damaged or whole as a file."""

import json
import shutil
from zipfile import ZipFile

import pytest
from planted_study import plant

from hdc import report
from hdc.analysis.results import read_results
from hdc.commands.compare import compare
from hdc.commands.publish import publish
from hdc.commands.status import status
from hdc.reporting.contents import FIGURES, TABLES
from hdc.runtime.errors import InputError
from hdc.runtime.zip_files import write_zip

RUN = "runs/r3d18/hdc/seed0/synthetic-split1"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a study with its report."""
    folder = tmp_path_factory.mktemp("work") / "results/planted"
    plant(folder, ablations=("hdc", "coupled"))
    made(folder, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parents[1])
        publish("planted")
    return folder


@pytest.fixture
def copy(finished, tmp_path, monkeypatch):
    """Its published copy, in a working folder that has nothing else."""
    monkeypatch.chdir(tmp_path)
    published = finished.parent / "published/planted"
    return shutil.copytree(published, tmp_path / "results/published/planted")


def made(study, output):
    report.main(report.STAGE.read([f"study={study / 'study.json'}", f"output_dir={output}"]))


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_report_of_the_copy_is_that_of_the_study(finished, copy, tmp_path):
    made(copy, tmp_path / "again")
    expected = {name: one for name, one in files(finished).items() if not name.startswith("runs/")}
    assert files(tmp_path / "again") | {"study.json": expected["study.json"]} == expected


def test_the_copy_compares_as_the_study_does(finished, copy):
    assert compare(copy, copy, as_json=True) == compare(finished, finished, as_json=True)
    both = json.loads(compare(finished, copy, as_json=True))
    assert not both["settings"] and not both["damaged"]
    assert all(one["first"] == one["second"] for one in both["numbers"])


def test_the_copy_stands_as_the_study_does(copy, capsys):
    status(copy, as_json=True)
    packed = json.loads(capsys.readouterr().out)
    assert packed["totals"]["done"] == 2 * 2 * 2 * 3 and packed["totals"]["failed"] == 0
    unpacked(copy)
    status(copy, as_json=True)
    assert json.loads(capsys.readouterr().out)["runs"] == packed["runs"]


def unpacked(copy):
    with ZipFile(copy / "records.zip") as file:
        file.extractall(copy)


def test_what_was_unpacked_is_read_instead(copy):
    packed = read_results(copy / "study.json")
    unpacked(copy)
    results = read_results(copy / "study.json")
    assert results.records == packed.records and not results.missing
    (copy / RUN / "pretrain.json").unlink()
    assert len(read_results(copy / "study.json").missing) == 1


def test_published_twice_the_bytes_are_the_same(finished, copy, tmp_path):
    first = files(copy)
    assert len(first) == 1 + 1 + 2 * len(TABLES) + len(FIGURES) + 1
    shutil.copytree(finished, tmp_path / "results/planted")
    publish("planted")
    assert files(copy) == first


def test_why_a_record_is_missing_goes_with_the_copy(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = shutil.copytree(finished, tmp_path / "results/planted")
    (study / RUN / "pretrain.json").unlink()
    log = study / "logs/pretrain" / f"{RUN.removeprefix('runs/')}.log"
    log.parent.mkdir(parents=True)
    log.write_text("step 1 in /home/me\nerror: expected videos\n")
    made(study, study)
    publish("planted")
    made(tmp_path / "results/published/planted", tmp_path / "again")
    table = (tmp_path / "again/tables/cost.md").read_text()
    assert "Pretraining failed: hdc on r3d18, seed 0, synthetic-split1 (error: exp" in table
    assert table == (study / "tables/cost.md").read_text()
    [copied] = tmp_path.glob("results/published/planted/logs/**/*.log")
    assert copied.read_text() == "error: expected videos\n"


def test_a_copy_is_published_as_the_study_was(copy, tmp_path):
    first = files(copy)
    again = shutil.copytree(copy, tmp_path / "results/planted")
    (again / "report.html").touch()
    publish("planted")
    assert files(copy) == first


def test_a_record_that_the_packed_form_lacks_is_missing(copy):
    path = copy / "records.zip"
    with ZipFile(path) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    del contents[f"{RUN}/pretrain.json"]
    write_zip(path, contents)
    lost = f"results/planted/{RUN}/pretrain.json"
    assert read_results(copy / "study.json").missing == {lost: f"no record: {lost}"}


def test_a_damaged_file_in_the_packed_form_is_left_out(copy):
    path = copy / "records.zip"
    with ZipFile(path) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    contents[f"{RUN}/pretrain.json"] = b"{"
    write_zip(path, contents)
    [said] = read_results(copy / "study.json").missing.values()
    assert said.startswith(f"results/planted/{RUN}/pretrain.json: expected a whole record as JSON")


@pytest.mark.parametrize("command", ["report", "compare", "status"])
def test_a_damaged_packed_form_is_one_line(copy, call, root, command):
    path = copy / "records.zip"
    path.write_bytes(path.read_bytes()[:-100])
    words = {
        "report": ("hdc.report", f"study={copy}/study.json", f"output_dir={copy}"),
        "compare": ("hdc", "compare", copy, copy),
        "status": ("hdc", "status", copy),
    }
    done = call(*map(str, words[command]), cwd=root)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path}: expected a whole zip, found BadZipFile(")
    assert done.stderr.endswith("; fetch or make it again\n") and done.stderr.count("\n") == 1


def test_a_damaged_copy_is_not_published(copy, tmp_path):
    before = files(copy)
    broken = shutil.copytree(copy, tmp_path / "results/planted")
    (broken / "report.html").touch()
    (broken / "records.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"records\.zip: expected a whole zip, found BadZipFile"):
        publish("planted")
    assert files(copy) == before
