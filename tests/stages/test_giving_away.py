"""From a run to a folder that is given away, used where there is no study, and no hdc."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from planted_study import plant

import hdc
from hdc.commands.export import export
from hdc.runtime.errors import InputError

QUICK = ("pretrain.batch_size=4", "pretrain.epochs=1", "progress.log_every_steps=1")
PLAIN = """
import sys
from importlib.machinery import ModuleSpec

class Blocked:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name.split(".")[0] in {blocked} else None

    def create_module(self, spec):
        raise ModuleNotFoundError(spec.name + " is not to be imported")

sys.meta_path.insert(0, Blocked())
"""
BLOCKED = ("hdc", "snakemake", "hydra", "omegaconf", "lightning_fabric", "pandas", "torchvision")


@pytest.fixture(scope="module")
def run_folder(root, call, tiny, tmp_path_factory):
    """Pretrains a run of a backbone once; its folder."""
    runs = {}

    def run(backbone, ablation="hdc", *more):
        if (backbone, ablation) not in runs:
            output = tmp_path_factory.mktemp("run") / "synthetic_smoke-split1"
            words = ("scale=smoke", "data=synthetic_smoke", f"backbone={backbone}", "seed=0")
            words += (*QUICK, f"ablation={ablation}", "split=1", f"prepared={tiny}", *more)
            call("hdc.pretrain", *words, f"output_dir={output}", cwd=root, check=True)
            runs[backbone, ablation] = output
        return runs[backbone, ablation]

    return run


def code_of(card):
    """The card's code that needs no hdc."""
    [code] = [body for body in re.findall(r"```python\n(.*?)```", card, re.S) if "torch." in body]
    return code


@pytest.mark.parametrize("backbone", ["r3d18", "c3d", "swin3d_t"])
def test_the_card_s_code_computes_what_hdc_does(backbone, run_folder, tmp_path):
    given = tmp_path / "given"
    export(run_folder(backbone), given, license="cc-by-4.0")
    card = (given / "README.md").read_text()
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 40, 60, 3), dtype=np.uint8)
    np.save(tmp_path / "frames.npy", frames)
    code = code_of(card).replace("path/of/this/folder", str(given))
    assert len([line for line in code.splitlines() if line.strip()]) <= 32
    shown = re.sub(
        r"^frames = .*$",
        f"import numpy; frames = torch.from_numpy(numpy.load({str(tmp_path / 'frames.npy')!r}))",
        code,
        flags=re.M,
    )
    shown += f"\ntorch.save(vectors, {str(tmp_path / 'vectors.pt')!r})\n"
    (tmp_path / "plain.py").write_text(PLAIN.format(blocked=BLOCKED) + shown)
    words = [sys.executable, "-I", "-W", "error", str(tmp_path / "plain.py")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    vectors = torch.load(tmp_path / "vectors.pt", weights_only=True)
    encoder = hdc.load_encoder(given)
    with torch.no_grad():
        features = encoder(hdc.to_clips(frames, pixels=16))
    assert list(vectors) == list(encoder.levels)
    for level, maps in features.items():
        torch.testing.assert_close(vectors[level], maps.mean(dim=(2, 3, 4)), rtol=1e-3, atol=1e-4)


def test_what_the_folder_says(run_folder, tmp_path, capsys):
    run, given = run_folder("r3d18"), tmp_path / "given"
    export(run, given, license="for research, ask the authors")
    names = {path.name for path in given.iterdir()}
    assert names == {"model.safetensors", "network.pt2", "videos.csv", "README.md", "config.json"}
    assert (given / "model.safetensors").read_bytes() == (run / "encoder.safetensors").read_bytes()
    weights = (given / "model.safetensors").stat().st_size
    assert (given / "network.pt2").stat().st_size < weights  # it holds none
    card = (given / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "other"
    assert front["license_name"] == "for research, ask the authors"
    assert front["library_name"] == "hdc"
    assert "Pretrained on 16 videos of synthetic_smoke, train + val of split 1." in card
    assert "stated by who made this folder: for research, ask the authors." in card
    assert "None: no record of an evaluation" in card
    settings = yaml.safe_load(re.search(r"```yaml\n(.*?)```", card, re.S)[1])
    assert settings["clip"]["frames"] == 16 and settings["pretrain"]["batch_size"] == 4
    config = json.loads((given / "config.json").read_text())
    assert config["clip"] == {"frames": 16, "stride": 1, "pixels": 16}
    assert hdc.load_encoder(given).facts["clip"] == config["clip"]
    assert config["levels"]["layer4"] == {"channels": 16, "time_stride": 8, "space_stride": 16} | (
        {"channels": hdc.load_encoder(given).levels["layer4"].channels}
    )
    capsys.readouterr()
    export(run, given)  # in place of the other
    assert "license: unknown" in (given / "README.md").read_text()
    assert "no licence of the data is stated: --license states it" in capsys.readouterr().out


def test_an_encoder_of_flow_is_given_away_with_what_it_takes(run_folder, root, tmp_path):
    from hdc.encoders.build import build_encoder, write_encoder
    from hdc.encoders.file import encoder_facts

    run = tmp_path / "run"
    run.mkdir()
    for path in run_folder("r3d18").iterdir():
        if path.is_file():
            (run / path.name).write_bytes(path.read_bytes())
    facts = encoder_facts(run / "encoder.safetensors") | {"sees": "flow"}
    network = build_encoder(facts["build"], seed=0, sees="flow")
    write_encoder(run / "encoder.safetensors", network, facts)
    export(run, tmp_path / "given")
    code = code_of((tmp_path / "given/README.md").read_text())
    found = {}
    exec(code.replace("path/of/this/folder", str(tmp_path / "given")), found)
    with torch.no_grad():
        features = hdc.load_encoder(tmp_path / "given")(torch.zeros(1, 2, 16, 16, 16))
    for level, maps in features.items():
        torch.testing.assert_close(found["features"][level], maps)


def test_results_stand_in_the_card_with_their_intervals(run_folder, tmp_path):
    study = plant(tmp_path / "planted").parent
    run = study / "runs/r3d18/hdc/seed1/synthetic-split1"
    for name in ("encoder.safetensors", "videos.csv", "config.yaml"):
        (run / name).write_bytes((run_folder("r3d18") / name).read_bytes())
    export(run, tmp_path / "given")
    card = (tmp_path / "given/README.md").read_text()
    rows = [line for line in card.splitlines() if "fine-tuned" in line and line[0] == "|"]
    # Planted: 0.5 with seed 0 and 0.6 with seed 1; Student's t of one degree of freedom is 12.7.
    assert rows == [
        "| synthetic | fine-tuned, top-1 (%) | 60.0 | 55.0 [-8.5, 118.5], 2 seeds | 1 |"
    ]


def test_from_an_empty_folder(call, run_folder, make_video, moving_square, tmp_path):
    """A run, a folder of videos and the command line."""
    run, empty = run_folder("r3d18"), tmp_path / "empty"
    empty.mkdir()
    for number in range(3):
        make_video(tmp_path / f"videos/{number}.mp4", moving_square(20, seed=number))
    (tmp_path / "videos/bad.mp4").write_bytes(b"no video")
    done = call("hdc", "export", str(run), "given", "--license", "mit", cwd=empty, check=True)
    assert (
        "given: model.safetensors, network.pt2, videos.csv, README.md, config.json" in done.stdout
    )
    words = ("given", "../videos", "--clips", "2", "--page", "near.html")
    done = call("hdc", "embed", *words, cwd=empty, check=True)
    assert "rejected bad.mp4: " in done.stdout
    assert "of 16 frames, 1 apart, of 16 x 16 pixels, as its file says" in done.stdout
    table = pd.read_parquet(empty / "features.parquet")
    assert table.path.tolist() == ["0.mp4", "1.mp4", "2.mp4"] and len(table.layer4[0]) == 32
    files = ["features.parquet", "features.rejected.csv", "given", "near.html"]
    assert sorted(path.name for path in empty.iterdir()) == files
    for wrong, said in (
        (("embed", "given", "nowhere"), "error: folder: expected an existing folder of videos"),
        (
            ("embed", "given", "../videos", "--frames", "0"),
            "expected a whole number above 0, got 0",
        ),
        (
            ("export", "given", "again"),
            "error: given: expected the folder of a finished run, found",
        ),
        (("export", str(run), "../videos"), "error: ../videos: expected a new or empty folder, or"),
    ):
        done = call("hdc", *wrong, cwd=empty)
        assert done.returncode in (1, 2) and said in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_a_folder_of_others_is_left_alone(run_folder, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"found README.md in it; choose another"):
        export(run_folder("r3d18"), theirs)
    assert (theirs / "README.md").read_text() == "mine"


def test_loading_an_encoder_needs_no_workflow_and_no_settings(run_folder, tmp_path):
    blocked = (
        "snakemake",
        "hydra",
        "omegaconf",
        "lightning_fabric",
        "pandas",
        "sklearn",
        "matplotlib",
        "pyarrow",
    )
    code = "import hdc, numpy\n"
    code += f"encoder = hdc.load_encoder({str(run_folder('r3d18'))!r})\n"
    code += "clips = hdc.to_clips(numpy.zeros((1, 16, 20, 20, 3), numpy.uint8), pixels=16)\n"
    code += "print(len(encoder(clips)))\n"
    (tmp_path / "plain.py").write_text(PLAIN.format(blocked=blocked) + code)
    done = subprocess.run([sys.executable, tmp_path / "plain.py"], capture_output=True, text=True)
    assert done.stdout == "3\n", done.stderr
