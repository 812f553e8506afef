"""Kills a training with SIGKILL at random points, goes on, and compares the bytes of its result.

`python tests/support/kill_points.py STAGE COUNT FOLDER WORDS...`: STAGE is pretrain or finetune,
WORDS its command line without output_dir. Everything is imported once; each run is a fork of that
process. Prints a line a case and exits with 1 if any result differs from that of an undisturbed
run.
"""

import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

RESULTS = {"pretrain": ("encoder.safetensors", "videos.csv"), "finetune": ("predictions.csv",)}


def run(stage, words, log, kill=None):
    """Run a stage in a fork; `kill` prepares its death there. Returns how it ended."""
    child = os.fork()
    if child == 0:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.argv = [stage, *words]
        module = import_module(f"hdc.{stage}")
        if kill is not None:
            kill()
        try:
            module.STAGE.run(module.main)
        except SystemExit as end:
            os._exit(end.code if isinstance(end.code, int) else 1)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die():
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def after_step(step):
    """Die when a step of the whole run is done, before anything is saved."""

    def prepare():
        from hdc.training.trainer import Training

        note = Training._note

        def dying(self, *arguments):
            note(self, *arguments)
            if self.step == step:
                die()

        Training._note = dying

    return prepare


def while_saving(times):
    """Die in the middle of writing a state, its bytes half on the disk."""

    def prepare():
        import hdc.training.checkpoint

        write, count = hdc.training.checkpoint.write_bytes, [0]

        def dying(path, content):
            count[0] += 1
            if count[0] == times:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(f".{path.name}.tmp").write_bytes(content[: len(content) // 2])
                die()
            write(path, content)

        hdc.training.checkpoint.write_bytes = dying

    return prepare


def after_seconds(seconds):
    """Die at any moment at all."""

    def prepare():
        threading.Timer(seconds, die).start()

    return prepare


def cases(count, steps, steps_per_epoch, seconds):
    """Lists of deaths; the first two cases die twice within one epoch."""
    draw = random.Random(0)
    epoch = draw.randrange(1, max(2, steps // steps_per_epoch)) * steps_per_epoch
    found = [[after_step(epoch + 1), after_step(epoch + 2)]]
    found.append([after_step(2), while_saving(1), after_step(3)])
    while len(found) < count:
        kind = draw.choice(("step", "step", "saving", "time"))
        if kind == "step":
            found.append([after_step(draw.randint(1, steps))])
        elif kind == "saving":
            found.append([while_saving(draw.randint(1, steps - 1))])
        else:
            found.append([after_seconds(draw.uniform(0.1, max(0.2, 0.8 * seconds)))])
    return found[:count]


def main(stage, count, folder, words):
    for module in (
        "torch",
        "hdc.training.trainer",
        "hdc.objectives.self_supervised",
        "hdc.objectives.supervised",
        f"hdc.{stage}",
    ):
        import_module(module)
    undisturbed, log = folder / "undisturbed", folder / "log.txt"
    # A state after every step, whatever it costs: each death leaves another one to go on from.
    sys.modules["hdc.training.trainer"].SAVING_SHARE = 1e9
    words = [*words, "progress.save_every_minutes=1e-9", "progress.log_every_steps=2"]
    started = time.monotonic()
    assert run(stage, [*words, f"output_dir={undisturbed}"], log) == 0, log.read_text()
    seconds = time.monotonic() - started
    name = {"pretrain": "log.jsonl", "finetune": "finetune.log.jsonl"}[stage]
    lines = (undisturbed / name).read_text()
    last = json.loads(lines.splitlines()[-1])
    steps, per_epoch = last["step"], round(last["step"] / last["epoch"])
    wrong = 0
    for number, deaths in enumerate(cases(count, steps, per_epoch, seconds)):
        killed = folder / f"killed{number}"
        ends = [run(stage, [*words, f"output_dir={killed}"], log, death) for death in deaths]
        ends.append(run(stage, [*words, f"output_dir={killed}"], log))
        same = ends[-1] == 0 and all(
            (killed / name).read_bytes() == (undisturbed / name).read_bytes()
            for name in RESULTS[stage]
        )
        left = (killed / "state").exists()
        wrong += not same or left
        print(f"case {number}: ended with {ends}: {'equal' if same else 'DIFFERENT'}", flush=True)
        shutil.rmtree(killed)
    print(f"{stage}: {count} kill points of a run of {steps} steps, {wrong} different")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])))
