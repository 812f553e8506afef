"""Commands in processes that begin with everything imported: forks of one that waits for them.

A command is a process of its own as ever, with a folder, an environment and an exit status; only
the seconds that it takes to import torch, Snakemake and the package are spent once. The jobs of a
Snakemake that runs so are such processes, too. What is tested for what it imports, for signals or
as it is started by a user needs a Python of its own.

Run as a program with an address, it is the process that is forked.
"""

import atexit
import gc
import importlib
import os
import pkgutil
import runpy
import subprocess
import sys
import tempfile
from multiprocessing import active_children, get_context
from pathlib import Path
from socketserver import StreamRequestHandler, UnixStreamServer

from warm_client import ask, read_request

from hdc.runtime.signals import die_with_parent

ADDRESS = "WARM_PROCESSES"  # the variable that tells a job where it is forked
PYTHON = f"""#!/bin/sh
if [ "$1" = -m ]; then exec {sys.executable} -IS {Path(__file__).with_name("warm_client.py")} "$@"
else exec {sys.executable} "$@"; fi
"""
WANTED = ("snakemake.cli", "snakemake.api", "snakemake.workflow", "lightning_fabric", "torchvision")


class WarmProcesses:
    """Runs modules as `python -m` does, and Snakemake; `close` ends the process that is forked."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self._waiting = None

    def run(self, words, *, cwd, env):
        """`subprocess.run` of a module's or Snakemake's command line, its output captured."""
        address = str(Path(self._folder.name, "address"))
        if self._waiting is None:
            self._start(address)
        with tempfile.TemporaryDirectory() as folder:
            outputs = [Path(folder, name) for name in ("stdout", "stderr")]
            status = ask(
                address,
                words=[str(word) for word in words],
                cwd=str(cwd),
                env=env | {ADDRESS: address},
                outputs=[str(path) for path in outputs],
            )
            texts = [path.read_text() for path in outputs]
        return subprocess.CompletedProcess(words, status, *texts)

    def _start(self, address):
        python = Path(self._folder.name, "python")
        python.write_text(PYTHON)
        python.chmod(0o755)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, address]
        self._waiting = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        assert self._waiting.stdout.readline() == b"ready\n"

    def close(self):
        if self._waiting is not None:
            self._waiting.terminate()
            self._waiting.communicate()
        self._folder.cleanup()


def import_all():
    """What a command may need; nothing of it computes anything, so no thread is running yet."""
    import hdc

    for name in WANTED:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(hdc.__path__, "hdc."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def become(request):
    """Be what was asked for, as if started anew."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(request["outputs"], start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    program, *words = request["words"]
    sys.argv = [program, *words]
    try:
        if program == "snakemake":
            sys.path[0] = str(Path(sys.executable).parent)
            sys.executable = str(Path(os.environ[ADDRESS]).with_name("python"))  # of its jobs
            sys.exit(importlib.import_module("snakemake.cli").main())
        sys.path[0] = request["cwd"]
        sys.modules.pop(program, None)  # it is to run as the main module
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # a fork of multiprocessing ends without them


class Answer(StreamRequestHandler):
    """Fork for a request and answer with how the fork ended."""

    def handle(self):
        child = get_context("fork").Process(target=become, args=(read_request(self.rfile),))
        child.start()
        child.join()
        self.wfile.write(b"%d\n" % child.exitcode)


class Server(UnixStreamServer):
    """A fork for each request waits for its own, so that a job can be asked for by a job."""

    def process_request(self, request, client_address):
        get_context("fork").Process(target=self._answer, args=(request, client_address)).start()
        request.close()
        active_children()  # collects those that have ended

    def _answer(self, request, client_address):
        self.socket.close()
        self.finish_request(request, client_address)


if __name__ == "__main__":
    import_all()
    die_with_parent()  # also when the tests are killed
    gc.freeze()  # a collection in a fork would copy every page
    with Server(sys.argv[1], Answer) as server:
        print("ready", flush=True)
        server.serve_forever()
