"""What pretrainings logged, step by step."""

import json
import math

import pandas as pd

from hdc.analysis.results import Results
from hdc.runtime.errors import InputError
from hdc.study.record_files import RecordFile
from hdc.study.stages import STAGES


def read_logs(results: Results) -> pd.DataFrame:
    """The training logs, one row a logging step, each pretraining once."""
    frames = []
    for row in results.evaluations.drop_duplicates("run_folder").itertuples(index=False):
        lines = pd.DataFrame(
            results.read(f"{row.run_folder}/{STAGES['pretrain'].training_log}", read_log)
        )
        facts = {"backbone": row.backbone, "ablation": row.ablation, "run_folder": row.run_folder}
        frames.append(lines.assign(**facts))
    return pd.concat([frame for frame in frames if len(frame)] or [pd.DataFrame()])


def read_log(path: RecordFile) -> list[dict[str, float | int]]:
    """The whole lines of a training's log; raises InputError for a line that is no JSON."""
    # A killed run may have left half a line at the end.
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [_log_line(number, line) for number, line in enumerate(lines, start=1)]


def _log_line(number: int, text: str) -> dict[str, float | int]:
    try:
        line = json.loads(text)
        if line["step"] >= 0 and all(math.isfinite(value) for value in line.values()):
            return line
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(f"expected numbers by name in line {number}, found {text:.40}")
