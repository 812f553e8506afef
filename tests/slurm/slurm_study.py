"""A study that runs on the cluster: its Snakemake, its jobs and the training of its encoder."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from slurm_cluster import Cluster

SNAKEMAKE = Path(__file__).with_name("snakemake_asking_often.py")
ENCODER = "runs/{backbone}/{run}/seed0/synthetic_smoke-split1/encoder.safetensors"
THREADS = ("pretrain=1", "finetune=1", "embed=1", "evaluate=1")


@dataclass
class Job:
    """What Slurm says of a job, or of one of several starts of it."""

    number: str
    state: str
    start: str
    end: str
    resources: str


class Study:
    """A study `name` of one run, in a working folder that is prepared."""

    def __init__(
        self,
        name: str,
        folder: Path,
        cluster: Cluster,
        *,
        backbone: str = "r3d18",
        run: str = "hdc",
        seeds: Sequence[int] = (0,),
    ) -> None:
        self.name, self.folder, self.cluster = name, folder, cluster
        self.results = folder / "results" / name
        self.encoder = self.results / ENCODER.format(backbone=backbone, run=run)
        self.training_log = self.encoder.with_name("log.jsonl")
        write_study(folder, name, backbone=backbone, run=run, seeds=seeds)

    def start(self, *words: str) -> subprocess.Popen:
        """Snakemake by the profile; `words`: targets or options."""
        profile = ("--profile", "workflow/profiles/slurm", "--set-threads", *THREADS)
        command = [
            sys.executable,
            SNAKEMAKE,
            *words,
            *self._config,
            *profile,
            "--latency-wait",
            "5",
        ]
        return self._call(command)

    def pretrain(self) -> subprocess.Popen:
        """Snakemake that makes the encoder alone."""
        return self.start(str(self.encoder.relative_to(self.folder)))

    def unlock(self) -> None:
        """What has to be done after Snakemake was killed."""
        command = [sys.executable, "-m", "snakemake", "--unlock", *self._config]
        assert self._call(command).wait() == 0

    @property
    def said(self) -> str:
        """What all its Snakemakes printed."""
        return (self.folder / f"{self.name}.out").read_text()

    @property
    def steps(self) -> int:
        """Lines that the training has logged."""
        return self.training_log.read_text().count("\n") if self.training_log.is_file() else 0

    def trainings(self) -> list[int]:
        """The processes that train its encoder."""
        found, output = [], f"output_dir={self.encoder.parent.relative_to(self.folder)}"
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_bytes().decode().split("\0")
                here = (place / "cwd").resolve() == self.folder.resolve()
            except OSError:
                continue
            if here and "hdc.pretrain" in words[:3] and output in words:
                found.append(int(place.name))
        return found

    def queue(self) -> dict[str, tuple[str, str]]:
        """Its jobs that have not ended: number -> state and node."""
        lines = self.cluster.run("squeue", "-h", "-o", "%A|%T|%N|%k").splitlines()
        jobs = (line.split("|") for line in lines)
        return {number: (state, node) for number, state, node, of in jobs if self._is_ours(of)}

    def jobs(self, rule: str) -> list[Job]:
        """The jobs of a rule or a kind of group as accounted, every start, in order of time."""
        columns = "--format=JobID,State,Start,End,AllocTRES,Comment"
        lines = self.cluster.run("sacct", "-X", "-D", "-n", "-P", columns).splitlines()
        found = [line.split("|") for line in lines]
        begins = (f"rule_{rule}_", f"rule_{rule}-")  # a group is named with its study
        ours = [Job(*job) for *job, of in found if self._is_ours(of) and of.startswith(begins)]
        return sorted(ours, key=lambda job: job.start)

    def _is_ours(self, comment: str) -> bool:
        return f"_wildcards_{self.name}_" in f"{comment}_" or f"-{self.name}-" in comment

    @property
    def _config(self) -> tuple[str, str]:
        return ("--configfile", f"config/{self.name}.yaml")

    def _call(self, command: list) -> subprocess.Popen:
        environment = self.cluster.environment | {"OMP_NUM_THREADS": "1"}
        environment["PATH"] = os.pathsep.join(
            [str(Path(sys.executable).parent), environment["PATH"]]
        )
        with (self.folder / f"{self.name}.out").open("a") as output:
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=output, stderr=subprocess.STDOUT
            )


def write_study(
    folder: Path,
    name: str,
    *,
    backbone: str = "r3d18",
    run: str = "hdc",
    seeds: Sequence[int] = (0,),
) -> None:
    """One run of the smoke study, under another name."""
    study = yaml.safe_load((folder / "config/smoke.yaml").read_text())
    study |= {"study": name, "backbones": [backbone], "ablations": [run], "skip": []}
    study |= {"seeds": list(seeds)}
    (folder / f"config/{name}.yaml").write_text(yaml.safe_dump(study | {"ablate_on": [backbone]}))
