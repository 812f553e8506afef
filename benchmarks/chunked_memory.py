"""Peak memory of a contrastive step by batch size, whole and in chunks of 8 videos.

Each step runs in a process of its own, on one thread, with the demo's network (`r3d18` at width
0.125, three views of 16 x 32 x 32). Prints MiB beyond the clips themselves and last how much that
grows from the smallest to the largest batch: whole, chunked, `ratio <whole / chunked>`.
"""

import os
import subprocess
import sys

CHUNK, BATCHES = 8, (16, 32, 64, 128)
STEP = """
import sys
import torch
from hdc.config import compose_run, typed
from hdc.contrast import contrastive_model
from hdc.encoders import build_encoder
from hdc.fabric import laid_out, start_fabric
from hdc.records import peak_memory

videos, chunk = int(sys.argv[1]), int(sys.argv[2]) or None
run = compose_run("hdc", backbone="r3d18", data="synthetic", scale="demo")
[objective] = typed(run, "objective")
encoder = build_encoder(dict(run.backbone), seed=0)
model = contrastive_model(encoder, objective, seed=0, total_steps=1, frozen=None, chunk=chunk)
model = laid_out(model, start_fabric("32-true").device)
clips = torch.randn(3 * videos, 3, 16, 32, 32)
idle = peak_memory()
loss, _ = model(clips, list(range(videos)), 0)
loss.backward()
print(peak_memory() - idle)
"""


def mebibytes(videos: int, chunk: int) -> float:
    """Peak memory of one step above that of the process with the clips in it."""
    command = [sys.executable, "-c", STEP, str(videos), str(chunk)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return int(done.stdout.splitlines()[-1]) / 2**20


def growth(chunk: int) -> float:
    """Memory of the largest batch over that of the smallest; prints each."""
    found = [mebibytes(videos, chunk) for videos in BATCHES]
    name = f"chunks of {chunk}" if chunk else "whole"
    cells = ", ".join(f"{v}: {m:.0f}" for v, m in zip(BATCHES, found, strict=True))
    print(f"{name}: MiB by videos: {cells}", flush=True)
    return found[-1] / found[0]


if __name__ == "__main__":
    whole, chunked = growth(0), growth(CHUNK)
    print(f"growth whole {whole:.2f} chunked {chunked:.2f} ratio {whole / chunked:.2f}")
