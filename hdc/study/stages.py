"""The stages that a run's jobs are of: titles, folders, files and settings, told without torch.

The rules of the workflow, the records' readers and `hdc status` all take them from here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hdc.settings.reads import EMBED_READS, EVALUATE_READS, FINETUNE_READS, PRETRAIN_READS

RUNS = "results/{study}/runs"
RUN = RUNS + "/{backbone}/{ablation}/seed{seed}/{pretrained_on}"
DATA_SET = RUN + "/{data}"
SPLIT = DATA_SET + "/split{split}"


@dataclass(frozen=True)
class StageFacts:
    """One stage: where it writes which files, and which nodes of a run's settings it reads."""

    name: str
    title: str
    folder: str  # a pattern, with the names of what a job is for in braces
    outputs: Mapping[str, str]  # the first says what it was made with
    reads: tuple[str, ...]
    training_log: str = ""  # what it writes while it trains; empty: it does not train
    longer_title: str = ""

    @property
    def first_output(self) -> str:
        """What is there, whole, once a job is done."""
        return next(iter(self.outputs.values()))

    @property
    def patterns(self) -> dict[str, str]:
        """The paths of the outputs, by name."""
        return {name: f"{self.folder}/{file}" for name, file in self.outputs.items()}

    @property
    def log(self) -> str:
        """Where a job of the workflow says what it does, a pattern."""
        return f"results/{{study}}/logs/{self.name}{self.folder.removeprefix(RUNS)}.log"


STAGES = {
    facts.name: facts
    for facts in (
        StageFacts(
            "pretrain",
            "pretraining",
            RUN,
            {
                "record": "pretrain.json",
                "encoder": "encoder.safetensors",
                "videos": "videos.csv",
                "settings": "config.yaml",
                "views": "views.png",
            },
            PRETRAIN_READS,
            training_log="log.jsonl",
        ),
        StageFacts(
            "finetune",
            "fine-tuning",
            SPLIT,
            {
                "record": "finetune.json",
                "predictions": "predictions.csv",
                "scores": "clip_scores.safetensors",
            },
            FINETUNE_READS,
            training_log="finetune.log.jsonl",
        ),
        StageFacts(
            "embed", "embedding", DATA_SET, {"features": "features.safetensors"}, EMBED_READS
        ),
        StageFacts(
            "evaluate",
            "evaluation",
            SPLIT,
            {
                "record": "evaluate.json",
                "outcomes": "outcomes.csv",
                "map": "map.csv",
                "neighbors": "neighbors.png",
            },
            EVALUATE_READS,
            longer_title="evaluation of frozen features",
        ),
    )
}
RECORDED = {name: facts for name, facts in STAGES.items() if "record" in facts.outputs}


def place_of(path: object) -> dict[str, str] | None:
    """What a record is of, by the folders of its path, and its `stage`; None if they do not say."""
    for facts in RECORDED.values():
        below = facts.patterns["record"].removeprefix(RUNS)
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(below))
        if match := re.search(f"/runs{pattern}$", Path(str(path)).absolute().as_posix()):
            return match.groupdict() | {"stage": facts.name}
    return None
