"""Retrieval, kNN and linear probes on frozen features, judged on the test part of a split.

Gallery and final probes use train + val; val chooses a probe's strength; the test part is read
once. Writes the record evaluate.json, outcomes.csv (per test video of the split who was right),
map.csv (where the test videos lie in feature space) and neighbors.png (some test videos with their
nearest training videos). An unusable test video is a miss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import safe_open

from hdc.data.index import missing_facts, read_index, read_split, video_counts, write_table
from hdc.data.splits import pair_facts
from hdc.data.store import ClipStore
from hdc.evaluation.frozen_features import Judge
from hdc.evaluation.judgements import linear_probe, recall
from hdc.evaluation.leakage import require_apart, require_unseen
from hdc.evaluation.pca_map import feature_map
from hdc.evaluation.time_probes import table_rows, time_metrics
from hdc.runtime.atomic_files import write_bytes
from hdc.runtime.errors import InputError
from hdc.runtime.inputs import made_from, prepared_files
from hdc.runtime.progress import progress
from hdc.runtime.record import Stopwatch, write_record
from hdc.runtime.tensor_files import read_facts
from hdc.settings.evaluation import Evaluate
from hdc.settings.stage import Stage, StageJob, argument, choice, node

CONTROLS = (".still", ".shuffled")
SHOWN_NEIGHBORS = 5  # in the picture
AGAIN = "delete it and run hdc.embed again"


@dataclass(frozen=True, kw_only=True)
class EvaluateJob(StageJob):
    """What one evaluation is told."""

    scale: str = choice()
    data: str = choice()
    ablation: str = choice()
    seed: int = argument("of the encoder, for the record")
    encoder: Path = argument(
        "the encoder that made the features; the list of videos beside it is read"
    )
    features: Path = argument("features.safetensors, made by hdc.embed")
    prepared: Path = argument("results/data/<data>, made by hdc.prepare")
    split: int = argument("number of the split")
    output_dir: Path = argument("<folder of the encoder>/<data>/split<split>")
    allow_copies: bool = argument(
        "true: test videos may have copies in the training part; else refused", default=False
    )
    allow_pretrain_on_test: bool = argument(
        "true: the encoder may have seen test videos; else refused", default=False
    )
    evaluate: Evaluate = node()


STAGE = Stage("evaluate", __doc__, EvaluateJob)


def main(job: EvaluateJob) -> None:
    """Judge one table of features on one split."""
    stopwatch, output = Stopwatch(), job.output_dir
    inputs = made_from(*prepared_files(job.prepared, job.split), job.encoder, job.features)
    index, split = read_index(job.prepared), read_split(job.prepared, job.split)
    leaks = require_apart(index, split, allow=job.allow_copies)
    leaks |= pair_facts(index, split)
    leaks |= require_unseen(job.encoder, index, split, allow=job.allow_pretrain_on_test)
    names, load, facts = read_features(job.features, len(index))
    if facts["encoder"] != inputs[str(job.encoder)]:
        raise InputError(
            f"{job.features}: expected features by {job.encoder}, found others; {AGAIN}"
        )
    judge, last = Judge(index, split, job.evaluate), facts["levels"][-1]
    metrics, neighbors = judgements(judge, names, load, facts["levels"])
    if "time" in facts:
        metrics |= time_metrics(judge, load, facts["levels"], facts["time"])
    places, shares = feature_map(load(last), index, judge.rows["test"])
    metrics |= {"map_shares": shares, "videos": video_counts(job.prepared, split)}
    write_table(output / "outcomes.csv", judge.table())
    write_table(output / "map.csv", places)
    store = ClipStore(job.prepared, index.video.tolist())
    write_bytes(output / "neighbors.png", picture(store, index, judge, neighbors[last], job))
    write_record(
        output / "evaluate.json",
        stage="evaluate",
        metrics=metrics,
        settings=job.settings_record,
        protocol=protocol(job, judge, facts) | leaks,
        inputs=inputs,
        seed=job.seed,
        stopwatch=stopwatch,
    )
    name, share = next(iter(metrics["retrieval"][last].items()))
    videos = f"{len(judge.outcomes)} test videos"
    print(f"{output / 'evaluate.json'}: {name} {share:.3f} on {videos}", flush=True)


def judgements(
    judge: Judge, names: list[str], load: Callable[[str], np.ndarray], levels: list[str]
) -> tuple[dict[str, Any], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Every number on every table of features, one in memory at a time, and the neighbors found.

    Controls are only probed, the spatial maximum is only searched. Few labels and single classes
    are looked at on the last level.
    """
    parts = ("retrieval", "mean_average_precision", "knn", "linear", "left_out", "few_labels")
    metrics: dict[str, Any] = {"levels": levels, "chance": judge.retrieval_chance()}
    metrics |= {"retrieval_chance": judge.recall_chance()} | {part: {} for part in parts}
    neighbors = {}
    for name in progress(names, total=len(names), unit="table", what="probing"):
        table = load(name)
        if not name.endswith(CONTROLS):
            near = judge.neighbors(name, table)
            metrics["retrieval"][name], neighbors[name] = near["recall"], near["found"]
            metrics["mean_average_precision"][name] = near["mean_average_precision"]
            metrics["knn"][name] = near["knn"]
        if name in levels or name.endswith(CONTROLS):
            metrics["linear"][name] = judge.probes(name, table)
        if name in levels:
            metrics["left_out"][name] = judge.left_out(name, table)
        if name == levels[-1]:
            metrics["few_labels"][name] = judge.few_labels(name, table)
            first = recall(name, judge.settings.recall_at[0])
            metrics["per_class"] = {
                first.name: judge.by_label(first),
                "linear": judge.by_label(linear_probe(name, "label")),
            }
    return metrics, neighbors


def picture(
    store: ClipStore,
    index: pd.DataFrame,
    judge: Judge,
    neighbors: tuple[np.ndarray, np.ndarray],
    job: EvaluateJob,
) -> bytes:
    """Evenly chosen test videos with their nearest neighbors at the last level, as a PNG."""
    from hdc.reporting.figures.neighbors import evenly_spaced, neighbor_picture

    similarity, rows = neighbors
    places = evenly_spaced(range(len(rows)))
    return neighbor_picture(
        store,
        index.video.tolist(),
        index.label.tolist(),
        queries=[judge.rows["test"][place] for place in places],
        neighbors=rows[places, :SHOWN_NEIGHBORS],
        similarity=similarity[places, :SHOWN_NEIGHBORS],
        title=f"{job.ablation}, {job.data} split {job.split}",
    )


def protocol(job: EvaluateJob, judge: Judge, facts: dict[str, Any]) -> dict[str, Any]:
    """How the numbers came about, for the record."""
    return {
        "data": job.data,
        "split": job.split,
        "gallery": "train + val",
        "gallery_videos": len(judge.gallery),
        "test_videos": len(judge.outcomes),
        "unusable_test_videos": len(judge.outcomes) - len(judge.rows["test"]),
        "clips_per_video": facts["clips_per_video"],
        "averaging": "mean of features",
        "checkpoint": "the encoder as it is",
    } | missing_facts(job.prepared, job.split)


def read_features(
    path: Path, videos: int
) -> tuple[list[str], Callable[[str], np.ndarray], dict[str, Any]]:
    """The names of the tables of features, what loads one, and the facts stored with them.

    A table is float32 (video, number). First come the levels, shallow to deep, then their variants,
    but for those that probes of time are fitted on, which are of some videos.
    Raises InputError if there is no file, a damaged one, or one of other than `videos` rows; so
    does what loads a table that has NaN or infinity.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected features, found none; run hdc.embed first")
    facts = read_facts(path)
    levels = facts.get("levels") if isinstance(facts, dict) else None
    if not levels or not {"encoder", "clips_per_video"} <= facts.keys():
        raise InputError(
            f"{path}: expected features by hdc.embed, found another or a damaged file; {AGAIN}"
        )
    file = safe_open(path, "numpy")
    shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    timed = table_rows(levels, facts["time"]) if "time" in facts else {}
    absent = [name for name in (*levels, *timed) if name not in shapes]
    if absent:
        raise InputError(f"{path}: expected features of {absent[0]}, found none; {AGAIN}")
    lengths = {name: shape[0] if len(shape) == 2 else 0 for name, shape in shapes.items()}
    rows = dict.fromkeys(shapes, videos) | timed
    if lengths != rows:
        found = sorted({lengths[name] for name in lengths if lengths[name] != rows[name]})
        raise InputError(f"{path}: expected {videos} rows as in index.csv, found {found}; {AGAIN}")

    def load(name: str) -> np.ndarray:
        table = file.get_tensor(name)
        if not np.isfinite(table).all():
            raise InputError(f"{path}: expected numbers, found NaN or infinity in {name}; {AGAIN}")
        return table

    variants = sorted(name for name in shapes if name not in levels and name not in timed)
    return levels + variants, load, facts


if __name__ == "__main__":
    STAGE.run(main)
