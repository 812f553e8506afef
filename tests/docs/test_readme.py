"""Every command in the README runs, but the two that set everything up: CI runs those."""

import re
import shutil

import pandas as pd
import pytest
import yaml

SETS_UP = ("pip install",)


def blocks(root, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (root / "README.md").read_text(), re.M | re.S)


def commands(root):
    return [line for block in blocks(root, "bash") for line in block.splitlines()]


def test_two_commands_set_everything_up(root):
    text = (root / "README.md").read_text()
    assert "apt install git python3-venv" in text
    setting_up = [line for line in commands(root) if any(word in line for word in SETS_UP)]
    assert len(setting_up) == 2
    for marker, command in zip(("run", "test"), setting_up, strict=True):
        assert f"<!-- {marker} -->\n```bash\n{command}\n```" in text
        # A bare Debian has no `python`, and its pip refuses to touch the system.
        assert command.startswith("python3 -m venv .venv && . .venv/bin/activate && python -m pip ")
    assert setting_up[0].endswith("&& snakemake --cores all")
    assert setting_up[1].endswith("&& python -m pytest")


def test_the_other_commands_run(root, call, workplace):
    others = [line for line in commands(root) if not any(word in line for word in SETS_UP)]
    assert others
    for name in ("published/demo", "demo"):  # as if the demo had been run
        shutil.copytree(root / "results/published/demo", workplace / "results" / name)
    for line in others:
        call("bash", "-c", line, cwd=workplace, check=True)


def test_the_ablation_of_the_readme_composes(root, call, workplace):
    [block] = blocks(root, "yaml")
    assert len(block.splitlines()) - 1 == 5  # five lines and the file's name
    assert yaml.safe_load(block)["about"]["question"].endswith("?")
    (workplace / block.splitlines()[0].removeprefix("# ")).write_text(block)
    done = call("snakemake", "-n", "--cores", "2", cwd=workplace, check=True)
    assert "/low_temperature/" in done.stdout


@pytest.mark.parametrize("name", ["README.md", "ablations/README.md", "config/README.md"])
def test_files_that_are_named_are_there(root, name):
    text = (root / name).read_text()
    paths = re.findall(r"`([a-z_]+(?:/[\w.]+)*(?:\.py|\.yaml|\.md|\.cff)|\w+/)`", text)
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    made = {"results/demo/report.html", "ablations/low_temperature.yaml"}
    missing = [
        path
        for path in {*paths, *links} - made
        if not any(
            (folder / path).exists()
            for folder in (root, root / "config", root / "hdc", root / "ablations")
        )
    ]
    assert not missing


def test_the_numbers_of_the_readme_are_the_published_ones(root):
    shown = re.findall(r"^\| `(\w+)` \| .* \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$",
                       (root / "README.md").read_text(), re.M)  # fmt: skip
    published = pd.read_csv(root / "results/published/demo/tables/ablation.csv").set_index(
        "ablation"
    )
    assert [run for run, *_ in shown] == list(published.index)
    columns = ["top1", "r1", "linear_shape", "linear_motion"]
    for run, *numbers in shown:
        assert [f"{100 * published[column][run]:.1f}" for column in columns] == numbers
    told = "`equal_weights` stands above `hdc` in every column" in (root / "README.md").read_text()
    above = published.loc["equal_weights", columns] > published.loc["hdc", columns]
    assert told == above.all()
