#!/usr/bin/env bash
# What a borrowed GPU can tell in SECONDS, line by line as it is known:
#
#   benchmarks/on_gpu.sh [SECONDS] [FILE]      default: 540 lease.jsonl
#
# Ordered by value and cut by the clock: doctor; the tests that need a GPU; every layer of the paper's
# networks at its real shapes against float64; a training that is killed twice and must end in the
# same bytes; clips a second of the three backbones by layout, cuDNN's benchmark and batch; its
# kernels; compiled; how long a training waits for raw and H.264 stores; then a study at the scale
# `synthetic`, seed after seed. Without a GPU, tiny sizes on the processor: that it runs. No internet,
# no Snakemake. Needs torch 2.11 or newer with torchvision, and of these what the machine lacks, as
# wheels that were brought along:
#
#   pip install --no-index --find-links wheels av antlr4-python3-runtime beartype hydra-core jaxtyping \
#       jinja2 lightning-fabric lightning-utilities matplotlib omegaconf pandas pillow pytest \
#       pytest-xdist pyyaml safetensors scikit-learn scipy tabulate timm tqdm
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD:$PWD/benchmarks:$PWD/tests/support${PYTHONPATH:+:$PYTHONPATH}
exec python3 benchmarks/lease/schedule.py "$@"
