"""A real Slurm cluster on this machine, of virtual nodes, from Debian's packages.

    apt-get install -y --no-install-recommends slurmctld slurmd slurmdbd slurm-client \
        slurm-wlm-basic-plugins munge mariadb-server

Everything lies in one folder and listens on free ports of the loopback; nothing of the machine's
own Slurm, munge or MariaDB is touched. It needs no root, no systemd and no cgroups.
"""

import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from hdc.runtime.signals import die_with_parent

TEMPLATES = Path(__file__).parent
PROGRAMS = (
    "munged", "mariadbd", "mariadb-install-db", "mariadb-admin", "slurmdbd", "slurmctld", "slurmd",
    "sacctmgr", "sbatch", "srun", "sacct",
)  # fmt: skip
SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
ACCOUNTS = """
create user 'slurm'@'127.0.0.1' identified by 'slurm';
create database slurm_acct_db;
grant all on slurm_acct_db.* to 'slurm'@'127.0.0.1';
"""
# The plugin for steps removes SLURM_CONF, and srun then finds the machine's own cluster, if any.
SRUN = '#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {program} "$@"\n'
NODE = "NodeName={} Port={} NodeHostname={} NodeAddr=127.0.0.1"
HIDE_GPUS = "#!/bin/sh\necho export CUDA_VISIBLE_DEVICES=\n"


def lacking() -> list[str]:
    """The programs that a cluster needs and that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]


def program(name: str) -> str:
    """Where a program lies; daemons are not always on the path of a user."""
    path = shutil.which(name, path=SEARCH)
    assert path is not None, f"{name} is not installed"
    return path


class Cluster:
    """Daemons of `nodes` virtual nodes, from `with` to its end; then no process of it is left.

    `environment` makes Slurm's commands talk to it. `folder` has to be short: a socket lies there.
    """

    def __init__(self, folder: Path, *, nodes: int) -> None:
        self.folder = folder.resolve()
        self.names = [f"n{number + 1}" for number in range(nodes)]
        self.daemons: dict[str, subprocess.Popen] = {}
        path = f"{self.folder / 'bin'}{os.pathsep}{SEARCH}"
        self.environment = os.environ | {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": path,
        }

    def __enter__(self) -> "Cluster":
        with ExitStack() as stack:
            stack.callback(self.stop)
            self._write_settings()
            self._start_database()
            self.start("slurmdbd", "-D")
            self.wait_for("sacctmgr", "-n", "list", "cluster")
            self.run("sacctmgr", "-i", "add", "cluster", "hdctest")
            self.start("slurmctld", "-D")
            self.wait_for("scontrol", "ping")
            for name in self.names:
                (self.folder / f"spool-{name}").mkdir()
                self.start("slurmd", "-D", "-N", name, name=name)
            self.wait_until(lambda: self.run("sinfo", "-h", "-p", "main", "-o", "%T") == "idle")
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, *words: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def start(self, daemon: str, *words: str, name: str = "") -> None:
        """Start a daemon in the foreground, as a child of this process."""
        with (self.folder / "log" / f"{name or daemon}.out").open("a") as output:
            self.daemons[name or daemon] = subprocess.Popen(
                [program(daemon), *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests
                preexec_fn=die_with_parent,  # however the tests end
            )

    def kill(self, name: str) -> None:
        """Kill a daemon without a word."""
        daemon = self.daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def stop(self) -> None:
        """End what is left of the jobs, then the daemons, the last one first."""
        if "slurmctld" in self.daemons and (jobs := self.run("squeue", "-h", "-o", "%A").split()):
            self.run("scancel", *jobs)
            self.wait_until(lambda: not self.run("squeue", "-h"), seconds=45)
        for daemon in reversed(self.daemons.values()):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()

    def wait_until(self, condition: Callable[[], bool], *, seconds: float = 60) -> None:
        """Wait until a condition holds; where it does not, the daemons' last words are shown."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(f"{condition} does not hold: {self._last_words()}")
            time.sleep(0.2)

    def wait_for(self, *words: str) -> None:
        """Wait until a command succeeds; where it does not, say why."""
        command, environment = [program(words[0]), *words[1:]], self.environment
        try:
            self.wait_until(
                lambda: not subprocess.run(command, env=environment, capture_output=True).returncode
            )
        except TimeoutError:
            self.run(*words)
            raise

    def _last_words(self) -> str:
        logs = sorted((self.folder / "log").iterdir())
        return "\n".join(f"{path.name}: {path.read_text()[-1000:]}" for path in logs)

    def _write_settings(self) -> None:
        for name in ("log", "controller", "bin"):
            (self.folder / name).mkdir(parents=True)
        first, *ports = free_ports(3 + len(self.names))
        self.database_port = first
        host = socket.gethostname().partition(".")[0]
        lines = zip(self.names, ports[2:], strict=True)
        values = {
            "folder": self.folder, "host": host,
            "user": getpass.getuser(), "database_port": first, "accounting_port": ports[0],
            "controller_port": ports[1],
            "nodes": "\n".join(NODE.format(name, port, host) for name, port in lines),
        }  # fmt: skip
        for name in ("slurm.conf", "slurmdbd.conf"):
            text = (TEMPLATES / name).read_text().format(**values)
            self._write(name, text, mode=0o600)
        for gpu in ("gpu0", "gpu1"):  # a GPU is a file to Slurm; any will do
            self._write(gpu, "")
        nodes = ",".join(self.names)
        self._write("gres.conf", f"NodeName={nodes} Name=gpu File={self.folder}/gpu[0-1]\n")
        self._write("cgroup.conf", "CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n")
        self._write("hide_gpus", HIDE_GPUS, mode=0o755)
        srun = SRUN.format(folder=self.folder, program=program("srun"))
        self._write("bin/srun", srun, mode=0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)

    def _write(self, name: str, text: str, *, mode: int = 0o644) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)

    def _start_database(self) -> None:
        """MariaDB and munge: without the first there is no sacct."""
        folder = self.folder
        munge, database = f"{folder}/munge.socket", f"{folder}/database.socket"
        files = [
            f"--{name}={folder}/munge.{name.partition('-')[0]}"
            for name in ("pid-file", "seed-file")
        ]
        self.start(
            "munged", "--foreground", "--force", f"--key-file={folder}/munge.key",
            f"--socket={munge}", f"--log-file={folder}/log/munged", *files,
        )  # fmt: skip
        data = [f"--user={getpass.getuser()}", f"--datadir={folder}/database"]
        install = [
            "--no-defaults",
            *data,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        self.run(program("mariadb-install-db"), *install)
        self.start(
            "mariadbd", "--no-defaults", *data, f"--socket={database}", "--bind-address=127.0.0.1",
            f"--port={self.database_port}", f"--pid-file={folder}/database.pid",
            "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900",
            "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve",
        )  # fmt: skip
        client = ("--no-defaults", f"--socket={database}", "-u", "root")
        self.wait_for("mariadb-admin", *client, "ping")
        subprocess.run([program("mariadb"), *client], input=ACCOUNTS, text=True, check=True)
        self.wait_for("munge", f"--socket={munge}", "-n")


def free_ports(count: int) -> Sequence[int]:
    """Ports in a row that nobody listens on, below those that the system hands out itself."""
    for _ in range(100):
        start = random.SystemRandom().randrange(20000, 30000)
        with ExitStack() as stack:
            try:
                for port in range(start, start + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return range(start, start + count)
    raise OSError(f"expected {count} free ports in a row, found none")
