"""Commands in processes that begin with everything imported: forks of one that waits for them.

A command is a process of its own as ever, with a folder, an environment and an exit status; only
the seconds that it takes to import torch, Snakemake and the package are spent once. What is tested
for what it imports, for signals or as it is started by a user needs a Python of its own.

Run as a program, it is the process that is forked: a request a line, the answer is a status.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

WANTED = ("snakemake.cli", "snakemake.api", "snakemake.workflow", "lightning_fabric", "torchvision")


class WarmProcesses:
    """Runs modules as `python -m` does, and Snakemake; `close` ends the process that is forked."""

    def __init__(self):
        self._waiting = None

    def run(self, words, *, cwd, env):
        """`subprocess.run` of a module's or Snakemake's command line, its output captured."""
        if self._waiting is None:
            self._waiting = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        with tempfile.TemporaryDirectory() as folder:
            outputs = [Path(folder, name) for name in ("stdout", "stderr")]
            request = {"words": [str(word) for word in words], "cwd": str(cwd), "env": env}
            request["outputs"] = [str(path) for path in outputs]
            self._waiting.stdin.write(json.dumps(request) + "\n")
            self._waiting.stdin.flush()
            status = int(self._waiting.stdout.readline())
            return subprocess.CompletedProcess(
                words, status, *(path.read_text() for path in outputs)
            )

    def close(self):
        if self._waiting is not None:
            self._waiting.communicate()


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
            sys.exit(importlib.import_module("snakemake.cli").main())
        sys.path[0] = request["cwd"]
        sys.modules.pop(program, None)  # it is to run as the main module
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # a fork of multiprocessing ends without them


def serve():
    """Fork for each request and answer with how it ended."""
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        child = get_context("fork").Process(target=become, args=(json.loads(line),))
        child.start()
        child.join()
        print(child.exitcode, file=answers, flush=True)


if __name__ == "__main__":
    import_all()
    gc.freeze()  # a collection in a fork would copy every page
    serve()
    os._exit(0)
