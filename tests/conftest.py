"""What several tests share: tiny videos, a tiny prepared data set, a working folder."""

import os
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
MEMORY = Path("/dev/shm")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """The whole suite takes every core, unless it is told otherwise; a file takes one.

    Not in `addopts`: with them, pytest would not start without pytest-xdist.
    """
    if hasattr(config, "workerinput"):  # one of those that share the suite
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 8 * 2**30:  # waits for no disk
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if whole and getattr(config.option, "numprocesses", 0) is None:
        config.option.numprocesses = "logical"
        config.option.dist = "loadfile"  # fixtures of a file are made once
        config.option.loadscopereorder = False  # the order is ours


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items):
    """The longest files first, so that no core waits for one at the end."""
    from tiers import quick, rank

    files = {item: item.path.relative_to(ROOT / "tests").as_posix() for item in items}
    for item, file in files.items():
        if quick(file) and "slow" not in item.keywords:
            item.add_marker(pytest.mark.quick)
    items.sort(key=lambda item: rank(files[item]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Draws without a generator of their own are the same in any order of the tests."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def make_video():
    """Write frames (time, height, width, 3) as a real video file; `stamps` are in frames.

    `axes` are the first four numbers of the matrix that an MP4 file is to be shown by.
    """

    def make(
        path,
        frames,
        *,
        codec="mpeg4",
        pixels="yuv420p",
        fps=25,
        container=None,
        b_frames=0,
        axes=None,
        stamps=None,
    ):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", format=container) as container:
            stream = container.add_stream(codec, rate=Fraction(fps))
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixels
            stream.codec_context.thread_count = 1
            stream.options = {"bf": str(b_frames)}
            for number, image in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                if stamps is not None:
                    frame.pts, frame.time_base = stamps[number], Fraction(1, fps)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        if axes is not None:
            set_display_matrix(path, *axes)
        return path

    return make


def set_display_matrix(path, *axes):
    """Write the matrix of an MP4 file's only track, which follows 40 bytes of its header."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    right_x, right_y, down_x, down_y = (round(number * 2**16) for number in axes)
    matrix = (right_x, right_y, 0, down_x, down_y, 0, 0, 0, 2**30)
    struct.pack_into(">9i", content, place, *matrix)
    path.write_bytes(content)


@pytest.fixture(scope="session")
def moving_square():
    """Frames of a bright square that moves right, told apart by `seed`."""

    def frames(count=20, *, height=48, width=64, seed=0):
        rng = np.random.default_rng(seed)
        clip = np.full((count, height, width, 3), rng.integers(0, 90, 3), dtype=np.uint8)
        top = rng.integers(0, height - 16)
        for number in range(count):
            left = (2 * number) % (width - 16)
            clip[number, top : top + 16, left : left + 16] = 230
        return clip

    return frames


@pytest.fixture(scope="session")
def warm_processes():
    """Processes that need not import anything any more."""
    from warm_processes import WarmProcesses

    processes = WarmProcesses()
    yield processes
    processes.close()


@pytest.fixture(scope="session")
def call(warm_processes):
    """Run a command of the package in a child, in a folder; returns the finished process."""

    def run(*words, cwd, check=False):
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        if words[0].startswith("hdc") or words[0] == "snakemake":
            done = warm_processes.run(words, cwd=cwd, env=environment)
        else:
            done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def prepare_settings():
    """The settings that prepare reads, with changes such as `store__short_side=24`."""
    from dataclasses import replace

    from omegaconf import OmegaConf

    from hdc.settings.compose import compose_run

    def settings(data="weizmann", **changes):
        run = compose_run("hdc", backbone="r3d18", data=data, scale="smoke")
        nodes = {name: OmegaConf.to_object(run[name]) for name in ("data", "decoding", "store")}
        for key, value in changes.items():
            node, name = key.split("__")
            nodes[node] = replace(nodes[node], **{name: value})
        return SimpleNamespace(**nodes)

    return settings


@pytest.fixture
def workplace(tmp_path):
    """A copy of everything that Snakemake reads, as the working folder of a user."""
    return copy_workplace(tmp_path)


@pytest.fixture(scope="module")
def module_workplace(tmp_path_factory):
    """One for a fixture that several tests copy, with what was done in it, times included."""
    return copy_workplace(tmp_path_factory.mktemp("workplace"))


def copy_workplace(folder):
    for name in ("workflow", "config", "ablations"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def plant_store():
    """Write the store.json of a prepared data set that has no videos."""
    from hdc.data.store import MANIFEST, VERSION
    from hdc.runtime.sealed import write_sealed

    def write(folder):
        empty = {"version": VERSION, "form": {}, "shards": [], "videos": {}}
        write_sealed(Path(folder) / MANIFEST, empty)

    return write


TINY = (
    "data.synthetic.shapes=[triangle,bar]",
    "data.synthetic.motions=[right,left]",
    "data.synthetic.train_videos=12",
    "data.synthetic.validation_videos=4",
    "data.synthetic.test_videos=8",
    "data.synthetic.frames=24",
    "data.synthetic.pixels=20",
    "store.short_side=20",
)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, call):
    """A prepared data set of 24 synthetic videos."""
    folder = tmp_path_factory.mktemp("tiny") / "synthetic_smoke"
    words = ("data=synthetic_smoke", "folder=", f"output_dir={folder}")
    call("hdc.prepare", *words, *TINY, cwd=ROOT, check=True)
    return folder


@pytest.fixture
def bring(tmp_path, root, monkeypatch):
    """Import a checkpoint at the smoke scale, in this process; returns the encoder's path."""
    from hdc.import_encoder import STAGE, main

    monkeypatch.chdir(root)

    def run(checkpoint, mapping="", videos="", folder="imported", **changes):
        output = tmp_path / folder / "encoder.safetensors"
        arguments = {
            "checkpoint": checkpoint, "scale": "smoke", "backbone": "r3d18", "mapping": mapping,
            "pretrained_on": "planted videos", "videos": videos, "output": output,
        } | changes  # fmt: skip
        main(STAGE.read([f"{key}={value}" for key, value in arguments.items()]))
        return output

    return run


@pytest.fixture
def weights():
    """The state dict of a small encoder, as somebody else might have trained it."""
    from hdc.encoders.build import build_encoder

    build = {"_target_": "hdc.backbones.resnet3d.r3d18", "width": 0.0625}
    return dict(build_encoder(build, seed=5).state_dict())


@pytest.fixture
def saved(tmp_path):
    """Save a checkpoint by torch."""

    def save(content, name="checkpoint.pt"):
        import torch

        torch.save(content, tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def mapping(tmp_path):
    """Write a mapping."""

    def write(**content):
        import yaml

        (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return tmp_path / "mapping.yaml"

    return write
