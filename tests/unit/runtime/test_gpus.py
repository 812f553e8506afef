import fcntl
import os
import re
import select
import signal
import subprocess
import sys

import pytest
import yte

import hdc.runtime.gpus as devices
from hdc.runtime.errors import InputError
from hdc.runtime.gpus import claim_gpus, visible_gpus

CHILD = """
import os, sys, time
from pathlib import Path
import hdc.runtime.gpus
from hdc.runtime.errors import InputError
hdc.runtime.gpus.LOCKS = Path(sys.argv[1])
try:
    claimed = hdc.runtime.gpus.claim_gpus(int(sys.argv[2]))
    assert ",".join(claimed) == os.environ["CUDA_VISIBLE_DEVICES"]
    print(*claimed, flush=True)
except InputError as error:
    print(error, flush=True)
"""
WAIT = "time.sleep(60)\n"
FORK = (
    "if os.fork() == 0: os.setsid(); print(os.getpid(), flush=True); time.sleep(60)\nos._exit(0)\n"
)


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine without GPUs and with locks of its own."""
    for name in ("CUDA_VISIBLE_DEVICES", "LOCAL_RANK", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(devices, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(devices, "DRIVER", tmp_path / "driver")
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    devices._installed.cache_clear()
    yield tmp_path
    devices._installed.cache_clear()


@pytest.fixture
def child(machine):
    """Start a process that claims so many of the GPUs, says which, and goes on."""
    started = []

    def start(count=1, gpus="0,1,2", then=WAIT):
        command = [sys.executable, "-c", CHILD + then, machine / "locks", str(count)]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": gpus}
        started.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def said(process):
    return process.stdout.readline().strip()


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("0,1", ["0", "1"]),
        (" 3, 1", ["3", "1"]),
        ("GPU-8932f937-d72c,GPU-b1", ["GPU-8932f937-d72c", "GPU-b1"]),
        ("MIG-GPU-8932/1/0", ["MIG-GPU-8932/1/0"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,-1,0", ["1"]),  # CUDA stops reading there
        ("0,0", []),  # CUDA then sees none
    ],
)
def test_the_variable_is_read_as_cuda_reads_it(monkeypatch, named, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == expected


def test_without_the_variable_the_driver_is_asked(machine):
    assert visible_gpus() == []
    devices._installed.cache_clear()
    tool = machine / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-1)'\necho '  MIG 1g.18gb Device 0: (x)'\n"
    )
    tool.chmod(0o755)
    assert visible_gpus() == ["0"]
    devices._installed.cache_clear()
    for name in ("0000:01:00.0", "0000:41:00.0"):
        (machine / "driver" / name).mkdir(parents=True)
    assert visible_gpus() == ["0", "1"]


def test_importing_is_cheap():
    code = "import hdc.runtime.gpus, sys; assert not {'torch', 'numpy', 'yaml'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_processes_that_start_together_get_different_gpus(child):
    processes = [child() for _ in range(3)]
    assert {said(process) for process in processes} == {"0", "1", "2"}


def test_all_wanted_or_none_taken(child):
    processes = [child(2, "0,1,2,3"), child(2, "0,1,2,3"), child(2, "0,1,2,3")]
    texts = sorted(said(process) for process in processes)
    assert texts[:2] == ["0 1", "2 3"]
    assert texts[2].startswith("expected 2 free of the GPUs 0, 1, 2, 3, found 0: ")


def test_one_claims_at_a_time(child, machine):
    (machine / "locks").mkdir()
    folder = os.open(machine / "locks", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    process = child()
    assert not select.select([process.stdout], [], [], 0.5)[0]
    os.close(folder)
    assert said(process) == "0"


def test_who_holds_them_is_named(child, monkeypatch):
    first = child(2, "0,1,2")
    assert said(first) == "0 1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    with pytest.raises(InputError) as error:
        claim_gpus(2)
    holder = rf"is used by process {first.pid} on {re.escape(os.uname().nodename)} since "
    assert re.fullmatch(
        f"expected 2 free of the GPUs 0, 1, 2, found 1: 0 {holder}.*; 1 {holder}.*; wait until one "
        "is free, or name the GPUs to use all the same in CUDA_VISIBLE_DEVICES",
        str(error.value),
    )
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1,2"
    assert said(child()) == "2"  # which the refused one has let go of


def test_the_dead_hold_nothing(child):
    first = child(2, "0,1,2")
    assert said(first) == "0 1"
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert said(child(2, "0,1,2")) == "0 1"


def test_a_forked_child_does_not_hold_for_its_parent(child):
    first = child(2, "0,1,2", then=FORK)
    assert said(first) == "0 1"
    orphan = int(said(first))
    first.wait()
    try:
        assert said(child(2, "0,1,2")) == "0 1"
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_gpus_that_were_assigned_are_used_without_a_lock(child, machine, monkeypatch):
    assert said(child(1, "0,1")) == "0"
    assert said(child(1, "0")) == "0"
    assert said(child(2, "0,1")) == "0 1"
    assert not (machine / "locks" / "1").exists()


def test_a_launched_process_uses_what_its_parent_claimed(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    for count in (1, 2, 3):
        assert claim_gpus(count) == ["1", "2"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,2" and not (machine / "locks").exists()


def test_a_gpu_is_shared_by_as_many_as_the_variable_says_one_on_each_first(child, monkeypatch):
    monkeypatch.setenv("HDC_GPU_SHARE", "2")
    processes = [child(1, "0,1") for _ in range(2)]
    assert {said(process) for process in processes} == {"0", "1"}
    processes += [child(1, "0,1") for _ in range(2)]
    assert {said(process) for process in processes[2:]} == {"0", "1"}
    refused = said(child(1, "0,1"))
    assert refused.startswith("expected 1 free of the GPUs 0, 1, found 0: 0 is used by process ")
    processes[0].kill()
    processes[0].wait()
    assert said(child(1, "0,1")) in ("0", "1")


def test_a_gpu_that_is_shared_is_not_taken_whole_nor_the_other_way_round(child, monkeypatch):
    whole = child(2, "0,1,2")
    assert said(whole) == "0 1"
    monkeypatch.setenv("HDC_GPU_SHARE", "2")
    shares = [child(1, "0,1,2") for _ in range(2)]
    assert [said(process) for process in shares] == ["2", "2"]
    whole.kill()
    whole.wait()
    assert said(child(1, "0,1,2")) == "0"
    monkeypatch.delenv("HDC_GPU_SHARE")
    assert said(child(2, "0,1,2")).startswith("expected 2 free of the GPUs 0, 1, 2, found 1: ")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", ""])
def test_a_share_that_is_no_number_is_refused(monkeypatch, text):
    monkeypatch.setenv("HDC_GPU_SHARE", text)
    with pytest.raises(InputError, match="HDC_GPU_SHARE: expected a number of 1 or more, found '"):
        devices.gpu_share()


def test_without_gpus_nothing_happens(machine):
    assert claim_gpus(1) == [] == claim_gpus(4)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ and not (machine / "locks").exists()


def test_more_than_there_are(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(InputError, match=r"expected 3 GPUs, found 2 \(0, 1\); lower progress"):
        claim_gpus(3)


def test_every_user_may_lock(child, machine):
    mask = os.umask(0o077)
    process = child(1, "GPU-a/b,1")
    os.umask(mask)
    assert said(process) == "GPU-a/b"
    assert (machine / "locks").stat().st_mode & 0o7777 == 0o1777
    [path] = (machine / "locks").iterdir()
    assert path.name == "GPU-a_b" and path.stat().st_mode & 0o777 == 0o666


def test_locks_that_cannot_be_made(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    (machine / "locks").write_text("")
    with pytest.raises(InputError, match=r"locks: expected to lock a GPU there, found: .*; mend"):
        claim_gpus(1)


STUDY = """
rule all:
    input: expand("gpu{number}", number=range(4))
rule gpu:
    output: "gpu{number}"
    threads: 1
    resources: gpu=1
    shell: "python job.py {output}"
"""
JOB = """
import sys, time
from pathlib import Path
import hdc.runtime.gpus
hdc.runtime.gpus.LOCKS = Path("locks")
gpus = hdc.runtime.gpus.claim_gpus(1)
started = time.time()
time.sleep(0.5)
Path(sys.argv[1]).write_text(f"{' '.join(gpus)};{started};{time.time()}")
"""


@pytest.mark.parametrize(
    ("gpus", "share", "limit"),
    [("", "1", None), ("0,1", "1", {"gpu": 2}), ("0,1", "3", {"gpu": 6})],
)
def test_the_profile_sets_a_limit_only_where_there_are_gpus(root, monkeypatch, gpus, share, limit):
    """A limit of none would make jobs without a GPU queue."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.setenv("HDC_GPU_SHARE", share)
    with (root / "workflow/profiles/default/config.yaml").open() as file:
        profile = yte.process_yaml(file, require_use_yte=True)
    assert profile.get("resources") == limit and profile["keep-going"]


def test_as_many_gpu_jobs_at_once_as_gpus_each_on_its_own(root, machine, call, monkeypatch):
    """By the profile that Snakemake reads by itself."""
    folder = machine / "study"
    (folder / "workflow/profiles").mkdir(parents=True)
    (folder / "workflow/profiles/default").symlink_to(root / "workflow/profiles/default")
    (folder / "workflow/Snakefile").write_text(STUDY)
    (folder / "job.py").write_text(JOB)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    call("snakemake", "--cores", "8", cwd=folder, check=True)
    lines = [(folder / f"gpu{number}").read_text().split(";") for number in range(4)]
    times = [(gpu, float(started), float(ended)) for gpu, started, ended in lines]
    at_once = [[gpu for gpu, *span in times if span[0] <= now < span[1]] for _, now, _ in times]
    assert max(map(len, at_once)) <= 2 and all(len(set(now)) == len(now) for now in at_once)
    assert {gpu for gpu, *_ in times} == {"0", "1"}


JOB_OF_STAGE = r"rule (\w+):\n(?:    .*\n)*?    threads: (\d+)\n    resources: .*?gpu=(\d)"
DRY = ("snakemake", "-n", "--cores", "16", "--configfile", "config/smoke.yaml")


def test_the_three_stages_that_use_a_gpu_ask_for_one(workplace, call, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    stages = ("pretrain", "finetune", "embed")
    for share, threads in (("1", "4"), ("2", "2")):
        monkeypatch.setenv("HDC_GPU_SHARE", share)
        done = call(*DRY, cwd=workplace, check=True)
        asked = {(stage, threads, "1") for stage in stages}
        assert set(re.findall(JOB_OF_STAGE, done.stdout)) == asked


def test_a_pretraining_on_several_gpus_asks_for_them_here_and_on_a_cluster(
    workplace, call, monkeypatch
):
    """A login node has no GPU; where they are shared, several are asked for whole."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with (workplace / "ablations/paper/hdc.yaml").open("a") as file:
        file.write("progress: {devices: 2}\n")
    for gpus, share, more, asked in (
        ("0,1,2,3", "1", (), {"2"}),
        ("0,1,2,3", "2", (), {"4"}),
        ("", "1", ("--set-resource-scopes", "gpu=local"), {"2"}),
        ("", "1", (), set()),
    ):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        monkeypatch.setenv("HDC_GPU_SHARE", share)
        done = call(*DRY, *more, cwd=workplace, check=True)
        jobs = re.findall(r"rule pretrain:\n(?:    .+\n)+", done.stdout)
        of_hdc = [job for job in jobs if "ablation=hdc," in job]
        found = {number for job in of_hdc for number in re.findall(r"gpu=([1-9])", job)}
        assert of_hdc and found == asked
