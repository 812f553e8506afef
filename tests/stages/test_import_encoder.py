"""Encoders that were trained elsewhere: brought in strictly."""

import re

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from torchvision.models import video
from torchvision.models.video import R3D_18_Weights, r3d_18

import hdc
from hdc.encoders.file import encoder_facts
from hdc.encoders.foreign_checkpoints import named, read_weights
from hdc.encoders.naming import Naming
from hdc.import_encoder import STAGE
from hdc.runtime.errors import InputError


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


OTHERS = {  # backbone -> mapping, presets, module of the last level, frames, pixels
    "s3d": ("torchvision", video.S3D_Weights, "features", 16, 224),
    "mvit_v2_s": ("torchvision_mvit", video.MViT_V2_S_Weights, "norm", 16, 224),
    "swin3d_t": ("torchvision_swin3d", video.Swin3D_T_Weights, "norm", 8, 64),
}


@pytest.mark.parametrize("backbone", OTHERS)
def test_torchvisions_other_networks_give_torchvisions_features(bring, saved, backbone):
    mapping, published, last, frames, pixels = OTHERS[backbone]
    theirs, presets = getattr(video, backbone)().eval(), published.KINETICS400_V1.transforms()
    encoder = hdc.load_encoder(
        bring(saved(theirs.state_dict()), mapping, scale="paper", backbone=backbone)
    )
    assert set(encoder.state_dict()) < set(theirs.state_dict())
    random = torch.Generator().manual_seed(0)
    clips = torch.randint(
        0, 256, (1, frames, pixels, pixels, 3), dtype=torch.uint8, generator=random
    )
    mean, std = (torch.tensor(numbers).view(3, 1, 1, 1) for numbers in (presets.mean, presets.std))
    outputs = []
    theirs.get_submodule(last).register_forward_hook(lambda _, __, x: outputs.append(x))
    with torch.no_grad():
        found = list(encoder(hdc.to_clips(clips, pixels=pixels)).values())[-1]
        theirs((clips.permute(0, 4, 1, 2, 3) / 255 - mean) / std)
    expected = {
        "s3d": lambda x: x,
        "mvit_v2_s": lambda x: x[:, 1:].transpose(1, 2).unflatten(2, (8, 7, 7)),
        "swin3d_t": lambda x: x.permute(0, 4, 1, 2, 3),
    }[backbone](outputs[0])
    size = expected.abs().max()
    assert_close(found / size, expected / size, rtol=0, atol=1e-4)


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


NUMBERS = {
    "NaN": (lambda one: one * float("nan"), "stem.0.weight with NaN or infinity; save"),
    "infinity": (lambda one: one / 0.0, "stem.0.weight with NaN or infinity; save"),
    "beyond": (
        lambda one: one.double() + 1e300, "stem.0.weight with numbers beyond torch.float32; save",
    ),
    "sparse": (lambda one: one.to_sparse(), "stem.0.weight that is sparse or has no numbers; save"),
    "meta": (lambda one: one.to("meta"), "stem.0.weight that is sparse or has no numbers; save"),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_are_none_are_refused(bring, saved, weights, name, tmp_path):
    change, message = NUMBERS[name]
    changed = weights | {"stem.0.weight": change(weights["stem.0.weight"])}
    with pytest.raises(InputError, match=rf"checkpoint.pt: expected .*; the file has .*{message}"):
        bring(saved(changed))
    assert not (tmp_path / "imported").exists()


def test_a_variance_below_0_is_refused(weights):
    changed = weights | {"stem.1.running_var": -weights["stem.1.running_var"]}
    with pytest.raises(InputError, match=r"has stem.1.running_var with a variance below 0; save"):
        named(changed, weights, Naming(), where="x")


def test_what_is_dropped_may_be_anything(weights):
    dropped = {"queue": torch.full((2,), torch.nan).to_sparse(), "more": torch.ones(2).to("meta")}
    found = named(weights | dropped, weights, Naming(drop=["queue", "more"]), where="x")
    assert found.keys() == weights.keys()


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
    with pytest.raises(InputError, match=r"tensors by name, found also 0, 1; say where"):
        read_weights(saved({0: torch.zeros(1), 1: torch.zeros(1)}))


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


def test_the_network_of_a_run_is_imported_by_its_name(bring, saved):
    """timm's image network, as `controls/image_untrained` has it, with weights of timm's own."""
    theirs = timm.create_model("test_resnet", pretrained=False).eval()
    model = {"ablation": "image_untrained", "backbone.model": "test_resnet"}
    path = bring(saved(theirs.state_dict()), "timm_image", **model)
    facts = encoder_facts(path)
    assert facts["build"]["_target_"] == "hdc.backbones.image.image_network"
    assert (facts["backbone"], facts["build"]["model"]) == ("image_untrained", "test_resnet")
    frames = torch.randint(0, 256, (1, 2, 64, 64, 3), dtype=torch.uint8)
    mean, std = torch.tensor(facts["input"]["mean"]), torch.tensor(facts["input"]["std"])
    with torch.no_grad():
        found = list(hdc.load_encoder(path)(hdc.to_clips(frames, pixels=64)).values())[-1]
        pictures = ((frames[0] / 255 - mean) / std).permute(0, 3, 1, 2)
        expected = theirs.forward_intermediates(pictures, intermediates_only=True)[-1]
    assert_close(found[0].transpose(0, 1), expected, rtol=0, atol=1e-4)
