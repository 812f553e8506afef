"""`~` means the home folder wherever a person may write a path."""

import importlib
import sys
from typing import get_type_hints

import pytest
import yaml

from hdc import __main__ as hdc_command
from hdc import download
from hdc.commands import doctor
from hdc.runtime.errors import InputError
from hdc.runtime.home_folders import expanded
from hdc.settings.compose import compose_run
from hdc.study.study import Study

STAGES = ("prepare", "pretrain", "finetune", "embed", "evaluate", "report", "import_encoder")
WORDS = {"pretrained_on"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_only_a_home_folder_is_replaced(home):
    assert expanded("~/videos", "folder") == f"{home}/videos"
    for path in ("", "videos", "./~", "/data/~/videos", "a~b"):
        assert expanded(path, "folder") == path
    with pytest.raises(InputError, match=r"^data: x: expected a path, got ~nobody_here/x, .*\./~n"):
        expanded("~nobody_here/x", "data: x")


@pytest.mark.parametrize("name", STAGES)
def test_every_path_of_a_stage_is_expanded(home, root, monkeypatch, name):
    """And none is forgotten: an argument is a path, a number, a switch or known to be words."""
    monkeypatch.chdir(root)
    stage = importlib.import_module(f"hdc.{name}").STAGE
    types = get_type_hints(stage.job)
    words = {key for key in stage.arguments if types[key] is str}
    assert words <= WORDS
    numbers = [key for key in stage.arguments if types[key] in (int, int | None)]
    switches = [key for key in stage.arguments if types[key] is bool]
    values = dict.fromkeys(stage.arguments, "~/x") | dict.fromkeys(numbers, "1")
    values |= dict.fromkeys(switches, "true") | {"scale": "smoke", "data": "synthetic_smoke"}
    values |= {"backbone": "r3d18", "ablation": "hdc", "protocol": "ours"}
    known = (*stage.choices, *stage.arguments)
    given = stage.read([f"{key}={values[key]}" for key in known])
    paths = set(stage.arguments) - words - {*numbers, *switches}
    assert {key: getattr(given, key) for key in paths} == dict.fromkeys(paths, home / "x")
    assert all(getattr(given, key) == 1 for key in numbers)
    assert all(getattr(given, key) is True for key in switches)
    assert all(getattr(given, key) == "~/x" for key in words)
    with pytest.raises(InputError, match=rf"^{name}: {min(paths)}: expected a path, got ~nobody_h"):
        stage.read([f"{key}={values[key]}" for key in known] + [f"{min(paths)}=~nobody_here"])


@pytest.mark.parametrize("path", ["~/it's (1)/ü.safetensors", "/a b/x=1.safetensors"])
def test_an_encoder_named_on_the_command_line(home, root, monkeypatch, path):
    from hdc.pretrain import STAGE

    monkeypatch.chdir(root)
    words = ["scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "ablation=hdc", "seed=0"]
    job = STAGE.read([*words, "prepared=x", "output_dir=x", f"encoder={path}"])
    assert job.encoder == path.replace("~", str(home))
    job = STAGE.read([*words, "prepared=x", "output_dir=x", "encoder=null"])
    assert job.encoder is None


def test_an_encoder_named_in_an_ablation(home, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    for name, path in (("taken", "~/encoder.safetensors"), ("lost", "~nobody_here/x")):
        content = {"about": {"question": "?", "paper": "no"}, "encoder": path}
        (workplace / f"ablations/{name}.yaml").write_text(yaml.safe_dump(content))
    choices = {"backbone": "r3d18", "data": "synthetic_smoke", "scale": "smoke"}
    assert compose_run("taken", **choices).encoder == f"{home}/encoder.safetensors"
    with pytest.raises(InputError, match=r"ablations/lost.yaml: encoder: expected a path, got ~no"):
        compose_run("lost", **choices)


@pytest.fixture
def study(workplace, monkeypatch):
    """Write a study of UCF101 whose videos lie in a folder; its configuration."""
    monkeypatch.chdir(workplace)

    def write(folder):
        config = yaml.safe_load((workplace / "config/ucf101.yaml").read_text())
        config |= {"data": {"ucf101": folder}, "ablations": ["hdc"], "comparisons": []}
        (workplace / "config/mine.yaml").write_text(yaml.safe_dump(config))
        return config

    return write


def test_a_folder_of_a_study(home, study):
    assert Study.read(study("~/videos")).data == {"ucf101": f"{home}/videos"}
    with pytest.raises(InputError, match=r"^data: ucf101: expected a path, got ~nobody_here"):
        Study.read(study("~nobody_here"))


def test_the_download_of_a_study_goes_to_the_home_folder(home, study, call, workplace):
    study("~/videos")
    words = ("-n", "--printshellcmds", "--cores", "1", "--configfile", "config/mine.yaml")
    done = call("snakemake", "download", *words, cwd=workplace, check=True)
    assert f"python -m hdc.download ucf101 {home}/videos" in done.stdout + done.stderr


def test_the_doctor_looks_into_the_home_folder(home, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    with pytest.raises(InputError, match=rf"expected an existing folder .* {home}/videos"):
        list(doctor._data_set("ucf101", "~/videos"))
    with pytest.raises(InputError, match=r"^data: expected a path, got ~nobody_here"):
        list(doctor._data_set("ucf101", "~nobody_here"))


def test_quoted_folders_of_commands(home, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["download", "ucf101", "~/videos"])
    taken = []
    monkeypatch.setattr(download, "download", lambda name, folder, **_: taken.append(folder))
    download.main()
    assert taken == [home / "videos"]
    for command in ("status", "verify"):
        with pytest.raises(SystemExit) as stop:
            hdc_command.main([command, "~/results/x"])
        assert f"{home}/results/x" in f"{stop.value}{capsys.readouterr().out}"
