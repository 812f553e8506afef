import importlib

import pytest

from hdc.settings.reads import PREPARE_READS
from hdc.study.stages import STAGES as OF_RUNS

STAGES = ("prepare", "pretrain", "finetune", "embed", "evaluate", "report")


@pytest.mark.parametrize("stage", STAGES)
def test_help_names_every_argument(call, root, stage):
    done = call(f"hdc.{stage}", "--help", cwd=root, check=True)
    assert f"usage: python -m hdc.{stage} key=value" in done.stdout
    assert "output_dir=" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "error: pretrain: expected key=value, got nonsense; see --help"),
        (["sede=1"], "error: pretrain: expected one of scale, data, backbone, ablation, seed"),
        (["seed=1"], "error: pretrain: missing scale=, data=, backbone=, ablation=, prepared=, "),
        (["scale=smol"], "error: pretrain: scale: expected one of ceiling, demo, "),
        (["evaluate.neighbours=3"], "error: pretrain: expected one of scale"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_1(call, root, words, message):
    done = call("hdc.pretrain", *words, cwd=root)
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_everything_wrong_is_said_at_once(call, root):
    done = call("hdc.pretrain", "scale=smol", "seed=one", "backbone=r3d18", cwd=root)
    for words in ("scale: expected one of", "got smol; seed: expected a whole number, got one; "):
        assert words in done.stderr
    assert done.stderr.endswith("; missing data=, ablation=, prepared=, output_dir=\n")


@pytest.mark.parametrize("name", ["prepare", *OF_RUNS])
def test_a_stage_reads_what_the_workflow_watches(name):
    """Else a changed setting would not run its jobs again."""
    watched = PREPARE_READS if name == "prepare" else OF_RUNS[name].reads
    assert importlib.import_module(f"hdc.{name}").STAGE.reads == list(watched)
