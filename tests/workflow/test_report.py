"""What Snakemake makes of a finished study, and what it says of one that failed.

The study is finished in name only: its records are empty files, which the report calls missing.
"""

import html
import os
import re
import shutil

import pytest
import yaml

from hdc.commands.publish import require_report
from hdc.runtime.errors import InputError

UNREACHABLE = "http://127.0.0.1:9"
STUDY = ("--configfile", "config/changed.yaml", "--cores", "1")


@pytest.fixture(scope="module")
def finished_once(call, module_workplace, plant_store):
    """Run Snakemake on a study of one run of which every file but the report is there."""
    smoke = yaml.safe_load((module_workplace / "config/smoke.yaml").read_text())
    changes = {"study": "changed", "ablations": ["hdc"], "backbones": ["r3d18"]}
    (module_workplace / "config/changed.yaml").write_text(yaml.safe_dump(smoke | changes))
    done = call("snakemake", "-n", *STUDY, cwd=module_workplace, check=True)
    planned = re.findall(r"^    output: (.*)$", done.stdout, re.M)
    for name in ", ".join(planned).split(", "):
        if name.startswith(("results/changed/runs/", "results/data/")):
            path = module_workplace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            plant_store(path.parent) if path.name == "store.json" else path.touch()
            os.utime(path, (10**9, 10**9))
    call("snakemake", *STUDY, cwd=module_workplace, check=True)
    return module_workplace


@pytest.fixture
def workplace(finished_once, tmp_path):
    return shutil.copytree(finished_once, tmp_path / "workplace")


@pytest.fixture
def finished(workplace, call, monkeypatch):
    """Run Snakemake once more on the finished study, without a network."""
    monkeypatch.setenv("http_proxy", UNREACHABLE)
    monkeypatch.setenv("https_proxy", UNREACHABLE)
    return lambda *words, check=True: call("snakemake", *STUDY, *words, cwd=workplace, check=check)


def test_its_own_report_has_every_table_and_figure_without_a_network(finished, workplace):
    finished("--report", "out.html")
    page = (workplace / "out.html").read_text()
    folder = workplace / "results/changed"
    shown = [*folder.glob("tables/*.csv"), *folder.glob("figures/*.png"), folder / "report.html"]
    assert len(shown) > 8
    for path in shown:
        assert f'"{path.name}"' in page or f'"name": "{path.name}"' in page, path
    for words in ("All digits of a table", "a PDF for print lies beside it", "The study on one"):
        assert words in page
    assert "judged by retrieval and linear probes" in page and ">changed<" in page


def test_a_deleted_table_or_figure_is_made_again(finished, workplace):
    for name in ("tables/cost.csv", "figures/ablation.pdf"):
        deleted = workplace / "results/changed" / name
        before = deleted.read_bytes()
        deleted.unlink()
        finished()
        assert deleted.read_bytes() == before


def test_a_failed_study_has_a_report_of_what_is_there(finished, workplace, tmp_path):
    """Whatever is read of it tells that it is one to be made again, and it is once all is done."""
    folder = workplace / "results/changed"
    runs = folder / "runs"
    shutil.copytree(runs, tmp_path / "runs")
    [record] = runs.glob("*/*/*/*/pretrain.json")
    record.unlink()
    done = finished("--retries", "2", check=False)
    assert done.returncode == 1
    assert "What is there and what is missing: results/changed/report.html" in done.stderr
    assert "Trying to restart" not in done.stdout + done.stderr  # bad input, as the log says
    [log] = folder.glob("logs/pretrain/**/*.log")
    reason = log.read_text().strip()
    assert reason.startswith("error: results/data/synthetic_smoke/index.csv: expected a table")
    page = html.unescape((folder / "report.html").read_text())
    assert "What is missing: 3 of 3 records" in page
    assert f"Pretraining failed: hdc on r3d18, seed 0, synthetic_smoke-split1 ({reason})." in page
    assert f"synthetic_smoke-split1 ({reason[:100]}" in (folder / "tables/cost.md").read_text()
    # What earlier jobs of the run left is there and is not taken for what they would make now.
    assert (record.parent / "synthetic_smoke/split1/evaluate.json").is_file()
    assert "to be made again: results/changed/runs/" in page
    with pytest.raises(InputError, match=r"found one older than study\.json"):
        require_report(folder, "changed")

    shutil.rmtree(runs)
    shutil.copytree(tmp_path / "runs", runs)
    done = finished()
    assert "made again: 1 for other records than there were for the report" in done.stderr
    said = done.stdout + done.stderr
    assert re.findall(r"^localrule (\w+):", said, re.M) == ["report", "all"], said
    assert "to be made again" not in (folder / "report.html").read_text()
    assert "Nothing to be done" in finished().stderr
