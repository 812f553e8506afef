"""Probes of time: do features tell in which direction, how fast and in which order a clip ran?

They need no labels: what is told apart are versions of the same videos, all in the video's part of
a split. A cue of the codec serves a probe as well as motion does, so a random network is the floor.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from hdc.evaluation.frozen_features import Judge
from hdc.evaluation.judgements import time_probe, time_versions
from hdc.evaluation.linear_probes import classify

Table = Float[np.ndarray, "video _"]


def time_metrics(
    judge: Judge, load: Callable[[str], Table], levels: Sequence[str], facts: dict[str, Any]
) -> dict[str, Any]:
    """For a record: `time_probes` by level and probe, and by probe what `time_videos` it had.

    `load` gives a table of features by name; `facts`: as in `hdc.evaluation.time_features`. A probe
    for which some part of the split has no video has numbers of videos alone.
    """
    probes: dict[str, dict[str, Any]] = {level: {} for level in levels}
    videos = {}
    for probe, suffixes in time_versions(facts["strides"]).items():
        known = facts["probes"][probe]
        rows = np.asarray(known["rows"], dtype=int)
        parts = {part: np.isin(rows, judge.rows[part]) for part in judge.rows}
        videos[probe] = {
            "drawn": facts["drawn"],
            "too_short": facts["drawn"] - len(rows),
            "tested": int(parts["test"].sum()),
            "alike": int(np.isin(rows[parts["test"]], known["alike"]).sum()),
            "repeated_frames": known["repeated_frames"],
        }
        if probe == "speed":
            videos[probe]["strides"] = facts["strides"]
        if not all(part.any() for part in parts.values()):
            continue
        for level in levels:
            tables = [
                load(f"{level}{suffix}") if suffix else load(level)[rows] for suffix in suffixes
            ]
            probes[level][probe] = _probe(judge, level, probe, tables, rows, parts)
    return {"time_probes": probes, "time_videos": videos}


def table_rows(levels: Sequence[str], facts: dict[str, Any]) -> dict[str, int]:
    """How many rows each table has that only probes of time are fitted on; none is empty."""
    rows = {probe: len(known["rows"]) for probe, known in facts["probes"].items()}
    return {
        f"{level}{suffix}": rows[probe]
        for level in levels
        for probe, suffixes in time_versions(facts["strides"]).items()
        for suffix in suffixes
        if suffix and rows[probe]
    }


def _probe(
    judge: Judge,
    level: str,
    probe: str,
    tables: Sequence[Table],
    rows: np.ndarray,
    parts: dict[str, np.ndarray],
) -> dict[str, float]:
    """One probe of which of the versions, a table each, a video's row is from."""
    settings, versions = judge.settings, np.arange(len(tables))
    read = classify(
        {
            part: np.concatenate([table[chosen] for table in tables])
            for part, chosen in parts.items()
        },
        {part: versions.repeat(chosen.sum()) for part, chosen in parts.items()},
        strengths=settings.probe_strengths,
        iterations=settings.probe_iterations,
    )
    told = read.predicted.reshape(len(versions), -1) == versions[:, None]  # (version, video)
    judged = time_probe(level, probe)
    return {
        "accuracy": judge.record_some(judged, rows[parts["test"]], told.mean(axis=0)),
        "chance": 1 / len(versions),
        "strength": read.strength,
        "validation": read.validation,
    }
