import json
import shutil
from importlib.metadata import version
from zipfile import ZipFile

import pandas as pd
import pytest
from planted_comparisons import plant_comparisons

from hdc.analysis.results import read_results
from hdc.reporting.contents import TABLES
from hdc.reporting.tables.all import all_tables


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A working folder with a finished study: records, tables, figures and much beside."""
    root = tmp_path_factory.mktemp("work")
    study = root / "results/planted"
    plant_comparisons(study)
    run = study / "runs/r3d18/hdc/seed0/synthetic-split1"
    drawn = ("figures/a.pdf", "figures/a.png", "figures/ablation.png")
    for name in ("report.html", *drawn, "logs/report.log"):
        (study / name).parent.mkdir(parents=True, exist_ok=True)
        (study / name).write_text(name)
    for name in ("encoder.safetensors", "state/1/state.json", "synthetic/features.safetensors"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)
    path = run / "synthetic/split1/predictions.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False).replace("49.avi", "nan")
    table.assign(group="g").to_csv(path, index=False)
    path = path.with_name("outcomes.csv")
    pd.read_csv(path, dtype=str).assign(seen_layer4_shape=1, knn_layer2=1).to_csv(path, index=False)
    for table in all_tables(read_results(study / "study.json")):
        table.write(study / "tables")
    return root


@pytest.fixture
def work(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "work")
    return tmp_path / "work"


def published(work):
    folder = work / "results/published/planted"
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def packed(work):
    with ZipFile(published(work)["records.zip"]) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


def test_publish_copies_what_tables_and_figures_need(call, work):
    done = call("hdc", "publish", "planted", cwd=work, check=True)
    files = published(work)
    assert done.stdout.startswith(f"results/published/planted: {len(files)} files, ")
    tables = {f"tables/{name}.{kind}" for name in TABLES for kind in ("csv", "md")}
    figures = {"figures/a.pdf", "figures/ablation.png"}
    assert set(files) == {"study.json", "records.zip"} | tables | figures
    records, run = packed(work), "runs/r3d18/hdc/seed0/synthetic-split1"
    assert f"{run}/log.jsonl" in records and all(name.startswith("runs/") for name in records)
    assert {name.rpartition(".")[2] for name in records} == {"json", "jsonl", "csv"}
    assert not any("state" in name.split("/") for name in records)
    predictions = records[f"{run}/synthetic/split1/predictions.csv"]
    assert predictions.startswith("video,label,predicted,group\n00.avi,jump,")  # no scores
    assert predictions.endswith("\nnan,walk,,g\n")
    outcomes = records[f"{run}/synthetic/split1/outcomes.csv"]
    asked = ",".join(f"linear_layer4_{factor}" for factor in ("label", "shape", "motion", "color"))
    for level in ("layer2", "layer3", "layer4"):  # of which the table of time probes has intervals
        asked += f",time_{level}_direction,time_{level}_order"
    assert outcomes.startswith(f"video,label,group,{asked}\n00.avi,jump,g0,")


def test_the_tables_can_be_made_again_from_the_copy(call, work, tmp_path):
    call("hdc", "publish", "planted", cwd=work, check=True)
    shutil.move(work / "results/published/planted", tmp_path / "copy")
    shutil.rmtree(work / "results")
    for table in all_tables(read_results(tmp_path / "copy/study.json")):
        table.write(tmp_path / "again")
    for path in sorted((tmp_path / "copy/tables").iterdir()):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_publish_replaces_what_was_there(call, work):
    call("hdc", "publish", "planted", cwd=work, check=True)
    old = published(work)["records.zip"].with_name("runs") / "of/the/form/of/before.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    (work / "results/planted/figures/a.pdf").rename(work / "results/planted/figures/b.pdf")
    call("hdc", "publish", "planted", cwd=work, check=True)
    assert {name for name in published(work) if name.endswith("pdf")} == {"figures/b.pdf"}
    assert "runs" not in {name.split("/")[0] for name in published(work)}
    assert [path.name for path in (work / "results/published").iterdir()] == ["planted"]


def test_publish_leaves_behind_what_the_study_no_longer_has(call, work):
    """As if seed 0 had been run by an earlier plan."""
    folder = work / "results/planted"
    study = json.loads((folder / "study.json").read_text())
    study["evaluations"] = [one for one in study["evaluations"] if one["seed"]]
    (folder / "study.json").write_text(json.dumps(study))
    done = call("hdc", "publish", "planted", cwd=work)
    assert done.returncode == 1 and "found one older than study.json; run snake" in done.stderr
    (folder / "report.html").write_text("made anew")
    call("hdc", "publish", "planted", cwd=work, check=True)
    seeds = {name.split("/")[3] for name in packed(work)}
    assert seeds == {"seed1", "seed2", "seed3", "seed4"}


def test_publish_refuses_a_study_that_is_not_finished(call, tmp_path):
    done = call("hdc", "publish", "demo", cwd=tmp_path)
    assert done.returncode == 1
    expected = "error: results/demo: expected a finished study with a report, found none"
    assert done.stderr.startswith(expected)


def test_compare_prints_text_or_json(call, work):
    folders = ("results/planted", "results/planted")
    text = call("hdc", "compare", *folders, cwd=work, check=True).stdout
    assert text.startswith("first:  results/planted\n") and "settings: the same" in text
    found = call("hdc", "compare", "--json", *folders, cwd=work, check=True).stdout
    assert {"settings", "numbers"} <= set(json.loads(found))
    done = call("hdc", "compare", "results/planted", "results/none", cwd=work)
    assert done.returncode == 1 and done.stderr.startswith("error: results/none: expected")


def test_help(call, tmp_path):
    text = call("hdc", "--help", cwd=tmp_path, check=True).stdout
    assert all(name in text for name in ("doctor", "verify", "compare", "publish"))


def test_alone_it_prints_its_help(call, tmp_path):
    alone, asked = (call("hdc", *words, cwd=tmp_path, check=True) for words in ([], ["--help"]))
    assert alone.stdout == asked.stdout and alone.stdout.startswith("usage: hdc")
    assert call("hdc", "--version", cwd=tmp_path, check=True).stdout == f"hdc {version('hdc')}\n"


CHILD = "hdc.data.preparation.decoding_child"


def runnable(root):
    """The modules that one can run, but for the stages (test_stage.py), and one fed by a pipe."""
    texts = {
        ".".join(path.relative_to(root).with_suffix("").parts): path.read_text()
        for path in (root / "hdc").rglob("*.py")
    }
    found = [name for name, text in texts.items() if 'if __name__ == "__main__"' in text]
    return {name for name in found if "STAGE.run(" not in texts[name]} - {CHILD}


def test_every_module_that_runs_explains_itself(call, root):
    names = runnable(root)
    assert {"hdc.__main__", "hdc.plan", "hdc.download", "hdc.encoders.clip_trial"} <= names
    for name in names:
        done = call(name, "--help", cwd=root, check=True)
        assert "usage: " in done.stdout, name


def test_verify_takes_a_name_or_a_folder_and_tells_by_its_status(call, tiny, tmp_path):
    data = shutil.copytree(tiny, tmp_path / "results/data/tiny")
    for named in ("tiny", str(data)):
        done = call("hdc", "verify", named, cwd=tmp_path, check=True)
        assert done.stdout.endswith("checked 24 videos, 0.0 GB: all as it was prepared\n")
        assert not done.stderr  # a bar is for terminals
    (data / "split1.csv").write_text("")
    done = call("hdc", "verify", "tiny", cwd=tmp_path)
    assert done.returncode == 1 and not done.stderr
    fault, last = done.stdout.splitlines()
    assert fault.startswith("results/data/tiny/split1.csv: expected the file as hdc.prepare wrote")
    assert last.endswith("1 fault")
    done = call("hdc", "verify", "nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("results/data/nowhere/store.json: expected a file, found none")
