import pytest

RUN = "runs/r3d18/hdc/seed0/x"
FILES = (
    "report.html", "study.json", "tables/cost.csv", "figures/factors.png", f"{RUN}/pretrain.json",
    f"{RUN}/encoder.safetensors", f"{RUN}/state/1/state.pt",
)  # fmt: skip


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "results/demo"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def published(tmp_path):
    folder = tmp_path / "results/published/demo"
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_publish_copies_tables_figures_and_records(call, study, tmp_path):
    done = call("hdc.cli", "publish", "demo", cwd=tmp_path, check=True)
    expected = ["figures/factors.png", f"{RUN}/pretrain.json", "study.json", "tables/cost.csv"]
    assert published(tmp_path) == expected
    assert done.stdout == "results/published/demo: 4 files\n"


def test_publish_replaces_what_was_there(call, study, tmp_path):
    call("hdc.cli", "publish", "demo", cwd=tmp_path, check=True)
    (study / "tables/cost.csv").rename(study / "tables/finetune.csv")
    call("hdc.cli", "publish", "demo", cwd=tmp_path, check=True)
    assert "tables/cost.csv" not in published(tmp_path)
    assert "tables/finetune.csv" in published(tmp_path)
    assert [path.name for path in (tmp_path / "results/published").iterdir()] == ["demo"]


def test_publish_refuses_a_study_that_is_not_finished(call, tmp_path):
    done = call("hdc.cli", "publish", "demo", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: results/demo: expected a finished study with a report")


def test_help(call, tmp_path):
    assert "publish" in call("hdc.cli", "--help", cwd=tmp_path, check=True).stdout
