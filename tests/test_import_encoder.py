"""Encoders that were trained elsewhere: brought in strictly, and taken over by a run."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from torchvision.models.video import R3D_18_Weights, r3d_18

import hdc
from hdc.encoders import build_encoder
from hdc.errors import InputError
from hdc.facts import encoder_facts
from hdc.foreign import Naming, named, read_naming, read_weights
from hdc.import_encoder import STAGE, main

WIDTH = 0.0625
BUILD = {"_target_": "hdc.backbones.resnet3d.r3d18", "width": WIDTH}
ABOUT = "about:\n  question: Does it help?\n  paper: not in the paper\n"


@pytest.fixture
def bring(tmp_path, root, monkeypatch):
    """Import a checkpoint at the smoke scale, in this process; returns the encoder's path."""
    monkeypatch.chdir(root)

    def run(checkpoint, mapping="", videos="", folder="imported", **changes):
        output = tmp_path / folder / "encoder.safetensors"
        arguments = {
            "checkpoint": checkpoint, "scale": "smoke", "backbone": "r3d18", "mapping": mapping,
            "pretrained_on": "planted videos", "videos": videos, "output": output,
        } | changes  # fmt: skip
        main(*STAGE.read([f"{key}={value}" for key, value in arguments.items()]))
        return output

    return run


@pytest.fixture
def weights():
    """The state dict of a small encoder, as somebody else might have trained it."""
    return dict(build_encoder(BUILD, seed=5).state_dict())


@pytest.fixture
def saved(tmp_path):
    """Save a checkpoint by torch."""

    def save(content, name="checkpoint.pt"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def mapping(tmp_path):
    """Write a mapping."""

    def write(**content):
        (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return tmp_path / "mapping.yaml"

    return write


@pytest.fixture(scope="module")
def torchvisions(tmp_path_factory):
    """torchvision's r3d_18 with random weights and statistics, and its file."""
    torch.manual_seed(0)
    model = r3d_18().eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    path = tmp_path_factory.mktemp("torchvision") / "r3d_18.pth"
    torch.save(model.state_dict(), path)
    return model, path


def test_torchvisions_network_gives_torchvisions_features(bring, torchvisions):
    theirs, checkpoint = torchvisions
    encoder = hdc.load_encoder(bring(checkpoint, "torchvision", scale="paper"))
    random = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (2, 8, 64, 64, 3), dtype=torch.uint8, generator=random)
    presets = R3D_18_Weights.KINETICS400_V1.transforms()
    mean, std = (torch.tensor(numbers).view(3, 1, 1, 1) for numbers in (presets.mean, presets.std))
    expected = {}
    for level in encoder.levels:
        layer = getattr(theirs, level)
        layer.register_forward_hook(lambda _, __, x, level=level: expected.update({level: x}))
    with torch.no_grad():
        found = encoder(hdc.to_clips(frames, pixels=64))
        theirs((frames.permute(0, 4, 1, 2, 3) / 255 - mean) / std)
    for level, features in found.items():
        size = expected[level].abs().max()
        assert_close(features / size, expected[level] / size, rtol=0, atol=1e-5)
    facts = encoder.facts
    assert facts["width"] == 1 and facts["seed"] is None and not facts["videos_known"]
    assert facts["imported_from"]["file"] == "r3d_18.pth"
    assert len(facts["imported_from"]["sha256"]) == 64


def test_the_shipped_mapping_has_torchvisions_normalization():
    naming, presets = read_naming("torchvision"), R3D_18_Weights.KINETICS400_V1.transforms()
    assert (naming.mean, naming.std) == (list(presets.mean), list(presets.std))


def test_a_nested_checkpoint_with_other_names(bring, saved, mapping, weights):
    content = {
        f"module.net.{key}": tensor.half() if tensor.is_floating_point() else tensor
        for key, tensor in weights.items()
    }
    content |= {"module.head.weight": torch.zeros(3), "queue": torch.zeros(2)}
    checkpoint = saved({"epoch": 3, "model": {"state_dict": content}})
    rename = {r"^module\.net\.(.*)$": r"\1", r"^module\.": "never."}
    naming = mapping(weights="model.state_dict", rename=rename, drop=["head", "^queue$"])
    output = bring(checkpoint, naming)
    assert "input" not in encoder_facts(output)
    found = load_file(output)
    assert found["stem.0.weight"].dtype == torch.float32
    for key, tensor in weights.items():
        assert_close(found[key], tensor.to(content[f"module.net.{key}"].dtype).to(tensor.dtype))


def test_our_own_weights_come_back_bit_for_bit(bring, saved, weights, tmp_path):
    output = bring(saved(weights))
    again = bring(output, folder="again")
    save_file(load_file(output), tmp_path / "bare.safetensors")
    bare = bring(tmp_path / "bare.safetensors", folder="bare")
    for path in (output, again, bare):
        found = load_file(path)
        assert all(torch.equal(found[key], weights[key]) for key in weights | found)
    before = output.read_bytes()
    assert bring(saved(weights)).read_bytes() == before


def test_old_files_without_counters_are_whole(weights):
    """PyTorch before 0.4.1 wrote no num_batches_tracked."""
    old = {key: value for key, value in weights.items() if "num_batches" not in key}
    assert len(old) < len(weights)
    assert named(old, weights, Naming(), where="x").keys() == weights.keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem.0.weight": None}, "the file lacks stem.0.weight; choose"),
        ({"fc.weight": torch.zeros(2)}, "the file has too much fc.weight; choose"),
        (
            {"stem.0.weight": torch.zeros(2, 3)},
            r"has in another shape or type stem.0.weight \(2, 3\) for \(4, 3, 3, 7, 7\); choose",
        ),
        ({"stem.1.weight": torch.zeros(4, dtype=torch.int)}, "shape or type stem.1.weight"),
        ({"old.stem.0.weight": torch.zeros(1)}, r"twice stem.0.weight \(stem.0.weight, old.stem"),
        ({f"fc{i}": torch.zeros(1) for i in range(7)}, "too much fc0, fc1, fc2, fc3, fc4 and 2 m"),
    ],
)
def test_weights_that_do_not_match_are_refused(weights, change, message):
    found = {key: value for key, value in (weights | change).items() if value is not None}
    with pytest.raises(InputError, match=rf"x: expected exactly the weights .*{message}"):
        named(found, weights, Naming(rename={r"^old\.": ""}), where="x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"renames": {}}, "expected some of weights, rename, drop, mean, std, found renames"),
        (["a"], "expected some of weights, rename, drop, mean, std, found .'a'"),
        ({"drop": ["("]}, r"expected a regular expression, found \(: missing"),
        ({"drop": "fc"}, "expected a table under rename and a list under drop"),
        ({"rename": {"a": 1}}, "expected a regular expression, found a"),
        ({"weights": 3}, "weights: expected a dotted place, found 3"),
        ({"mean": [0, 0, 0]}, "expected mean and std together"),
        ({"mean": [0, 0, 0], "std": [1, 1]}, "std: expected 3 numbers of RGB in 0 to 1, found"),
        ({"mean": [0, 0, 0], "std": [1, 1, 0]}, "std: expected 3 numbers of RGB in 0 to 1, found"),
    ],
)
def test_a_mapping_that_cannot_be_followed_is_refused(tmp_path, content, message):
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=message):
        read_naming(str(path))


def test_an_unknown_mapping_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"mapping: expected torchvision, a YAML file or nothing"):
        read_naming("torchvison")
    (tmp_path / "broken.yaml").write_text("a: [\n")
    with pytest.raises(InputError, match=r"broken.yaml: expected YAML, found: "):
        read_naming(str(tmp_path / "broken.yaml"))


def test_what_is_no_checkpoint_is_refused(saved, tmp_path):
    with pytest.raises(InputError, match=r"expected a checkpoint, found no file"):
        read_weights(tmp_path / "none.pt")
    whole = saved({"a": torch.zeros(99)}).read_bytes()
    files = {"text.pt": b"hello", "cut.pt": whole[:300], "empty.pt": b"", "t.safetensors": b"hello"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=r"expected a checkpoint of torch or safetensors, fo"):
            read_weights(tmp_path / name)


def test_a_pickle_that_is_more_than_weights_is_not_loaded(saved):
    checkpoint = saved({"net": torch.nn.Linear(2, 2)})
    with pytest.raises(InputError, match=r"found torch.nn.modules.linear.Linear, which could do "):
        read_weights(checkpoint)


def test_a_place_without_weights_is_refused(saved):
    checkpoint = saved({"epoch": 3, "net": {"a": torch.zeros(1)}, "none": {}})
    with pytest.raises(InputError, match=r"expected a state dict, tensors by name, found also epo"):
        read_weights(checkpoint)
    with pytest.raises(InputError, match=r"expected model of weights: model, found epoch, net"):
        read_weights(checkpoint, "model")
    with pytest.raises(InputError, match=r"expected b of weights: epoch.b, found no table"):
        read_weights(checkpoint, "epoch.b")
    with pytest.raises(InputError, match=r"found also nothing"):
        read_weights(checkpoint, "none")


def test_the_list_of_videos_is_copied(bring, saved, weights, tmp_path):
    listing = tmp_path / "seen.csv"
    listing.write_text(f"video,label,sha256\na.avi,run,{'0' * 64}\n")
    output = bring(saved(weights), videos=listing)
    assert output.with_name("videos.csv").read_text() == f"video,sha256\na.avi,{'0' * 64}\n"
    assert encoder_facts(output)["videos_known"]
    listing.write_text("video,sha256\na.avi,0123\n")
    with pytest.raises(
        InputError, match=r"expected the sha256 of each file, .* found 0123 of a.avi"
    ):
        bring(saved(weights), videos=listing)
    with pytest.raises(InputError, match=r"videos: expected a CSV file or nothing, got none"):
        bring(saved(weights), videos="none.csv")


def test_nothing_of_others_is_written_over(bring, saved, weights, tmp_path):
    taken = tmp_path / "imported"
    taken.mkdir()
    (taken / "videos.csv").write_text("mine\n")
    with pytest.raises(
        InputError, match=r"output: expected a folder of its own, found .*videos.csv"
    ):
        bring(saved(weights))
    with pytest.raises(InputError, match=r"output: expected <folder>/encoder.safetensors, got "):
        bring(saved(weights), output="encoder.pt")
    with pytest.raises(InputError, match=r"pretrained_on: expected words"):
        bring(saved(weights), pretrained_on=" ", folder="other")


QUICK = ("scale=smoke", "data=synthetic_smoke", "backbone=r3d18", "pretrain.batch_size=4")


@pytest.fixture
def adopt(call, root, tiny, tmp_path):
    """Let a run of the tiny data set take an encoder over, as the stage does it."""

    def run(encoder, *words):
        return call(
            "hdc.pretrain", *QUICK, "ablation=hdc", "seed=0", f"prepared={tiny}", "split=1",
            f"output_dir={tmp_path / 'run'}", f"encoder={encoder}", *words, cwd=root,
        )  # fmt: skip

    return run


def test_a_run_takes_an_encoder_over_and_is_judged(
    adopt, bring, saved, weights, mapping, call, root, tiny, tmp_path
):
    index = pd.read_csv(tiny / "index.csv")
    split = pd.read_csv(tiny / "split1.csv")
    seen = index[index.video.isin(split.video[split.part == "train"])]
    seen.to_csv(tmp_path / "seen.csv", index=False)
    naming = mapping(mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.1])
    source = bring(saved(weights), naming, tmp_path / "seen.csv")
    done = adopt(source)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    names = {"encoder.safetensors", "pretrain.json", "videos.csv", "views.png", "config.yaml"}
    assert {path.name for path in run.iterdir()} >= names
    facts, given = encoder_facts(run / "encoder.safetensors"), encoder_facts(source)
    for key in ("input", "imported_from", "pretrained_on", "videos", "videos_known", "build"):
        assert facts[key] == given[key], key
    assert facts["ablation"] == "hdc" and facts["seed"] == 0
    found = load_file(run / "encoder.safetensors")
    assert all(torch.equal(found[key], weights[key]) for key in weights)
    assert (run / "videos.csv").read_bytes() == source.with_name("videos.csv").read_bytes()
    record = json.loads((run / "pretrain.json").read_text())
    assert record["metrics"]["steps"] == record["metrics"]["pretraining_videos"] == 0
    assert record["metrics"]["parameters"] > 0 and record["metrics"]["multiply_adds"] > 0
    assert record["protocol"]["trained_on"].endswith("imported, pretrained on planted videos")
    assert record["settings"]["encoder"] == str(source)
    words = (*QUICK[:3], "ablation=hdc", f"prepared={tiny}", f"encoder={run}/encoder.safetensors")
    call(
        "hdc.finetune", *words, "split=1", "seed=0", f"output_dir={tmp_path}/judged",
        "finetune.batch_size=4", cwd=root, check=True,
    )  # fmt: skip
    call("hdc.embed", *words, f"output_dir={tmp_path}/judged", cwd=root, check=True)


def test_an_imported_encoder_is_not_judged_on_what_it_saw(
    bring, saved, weights, call, root, tiny, tmp_path
):
    source = bring(saved(weights), videos=tiny / "index.csv")
    done = call(
        "hdc.finetune", *QUICK[:3], "ablation=hdc", f"prepared={tiny}", f"encoder={source}",
        "split=1", "seed=0", f"output_dir={tmp_path}/judged", cwd=root,
    )  # fmt: skip
    assert done.returncode == 1 and "expected an encoder that saw no test video" in done.stderr


def test_an_encoder_of_another_width_is_not_taken_over(adopt, bring, saved, weights):
    done = adopt(bring(saved(weights)), "backbone.width=1")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "expected an encoder of width 1" in done.stderr
    assert "set backbone.width: 0.0625 in the ablation" in done.stderr


@pytest.fixture
def plan(call, workplace):
    """A dry run of a study of hdc and a run whose file ends in `body`."""

    def run(body, *words):
        (workplace / "ablations/imported.yaml").write_text(ABOUT + body)
        study = yaml.safe_load((workplace / "config/smoke.yaml").read_text())
        study |= {"ablations": ["hdc", "imported"], "skip": []}
        (workplace / "config/changed.yaml").write_text(yaml.safe_dump(study))
        words = ("--configfile", "config/changed.yaml", *words)
        return call("snakemake", "-n", "--cores", "2", *words, cwd=workplace)

    return run


def test_a_study_plans_a_run_that_takes_an_encoder_over(plan, bring, saved, weights, workplace):
    shutil.copytree(bring(saved(weights)).parent, workplace / "encoders")
    done = plan("encoder: encoders/encoder.safetensors\n")
    assert done.returncode == 0, done.stdout + done.stderr
    [job] = re.findall(r"rule pretrain:\n(?:    .*\n)*?    input: (.*encoders/.*)\n", done.stdout)
    assert "encoders/encoder.safetensors, encoders/videos.csv" in job
    for stage in ("finetune", "embed", "evaluate"):
        assert re.search(rf"rule {stage}:\n(?:    .*\n)*?    output: .*/imported/", done.stdout)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("encoder: none.safetensors\n", "encoder: none.safetensors: expected an encoder, found no"),
        ("encoder: config/smoke.yaml\n", "encoder: config/smoke.yaml: expected an encoder written"),
        (
            "encoder: encoder.safetensors\nbackbone: {width: 1.0}\n",
            "encoder: encoder.safetensors: expected an encoder of width 1.0, found one of width",
        ),
        (
            "encoder: encoder.safetensors\npretrained_by: hdc\n",
            "pretrained_by: expected nothing beside an encoder to take over, got hdc",
        ),
        (
            "encoder: encoder.safetensors\npretrain: {labels: true}\n",
            "pretrain.labels: expected nothing beside an encoder to take over, got True",
        ),
        (
            "encoder: encoder.safetensors\nobjective: {weighting: frozen, measured_by: hdc}\n",
            "objective.measured_by: expected nothing beside an encoder to take over, got hdc",
        ),
    ],
)
def test_an_encoder_that_cannot_be_taken_over_stops_before_the_first_job(
    plan, bring, saved, weights, workplace, body, message
):
    shutil.copytree(bring(saved(weights)).parent, workplace, dirs_exist_ok=True)
    done = plan(body)
    printed = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in printed
    assert f"ablations/imported.yaml: {message}" in printed


def test_the_documented_way_works(call, root, torchvisions, workplace, plan):
    """The command and the ablation of docs/adding-an-ablation.md, from the file to a plan."""
    text = (root / "docs/adding-an-ablation.md").read_text().partition("## Encoders")[2]
    blocks = {kind: re.search(rf"^```{kind}\n(.*?)^```$", text, re.M | re.S)[1]
              for kind in ("bash", "yaml")}  # fmt: skip
    shutil.copy(torchvisions[1], workplace / "r3d_18.pth")
    call("bash", "-c", blocks["bash"], cwd=workplace, check=True)
    name, _, body = blocks["yaml"].partition("\n")
    (workplace / name.removeprefix("# ")).write_text(body)
    done = plan("pretrained_by: null\n", "--config", f"ablations=[{Path(name).stem}]")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "encoders/r3d_18/encoder.safetensors" in done.stdout


def test_the_three_lines_of_the_readme(root, bring, saved, weights, monkeypatch):
    [block] = re.findall(r"^```python\n(.*?)^```$", (root / "README.md").read_text(), re.M | re.S)
    folder = bring(saved(weights)).parent
    monkeypatch.chdir(folder)
    names = {"frames": torch.zeros(1, 16, 40, 40, 3, dtype=torch.uint8)}
    exec(block.replace(re.search(r'"(.*/)encoder', block)[1], ""), names)
    assert list(names["features"]) == ["layer2", "layer3", "layer4"]


def test_help_names_every_argument(call, root):
    done = call("hdc.import_encoder", "--help", cwd=root, check=True)
    for name in (*STAGE.arguments, "scale", "backbone", "<node>.<key>"):
        assert f"{name}=" in done.stdout
