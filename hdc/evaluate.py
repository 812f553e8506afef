"""Retrieval, kNN and linear probes on frozen features, judged on the test part of a split.

Gallery and final probes use train + val; val chooses a probe's strength; the test part is read
once. Writes the record evaluate.json and outcomes.csv: per test video of the split 1 or 0 for each
judgement (for a numeric factor the prediction). An unusable test video is a miss;
only R2 leaves it out, for it has no value to be missed.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from safetensors import safe_open

from hdc.data.index import (
    factor_columns,
    missing_facts,
    read_index,
    read_split,
    rows_of,
    write_table,
)
from hdc.digest import digest
from hdc.errors import InputError
from hdc.leaks import require_unseen
from hdc.probes import classify, explained, is_numeric, regress
from hdc.progress import progress
from hdc.records import Stopwatch, write_record
from hdc.retrieval import hits, nearest, vote
from hdc.settings import EVALUATE_READS, Evaluate
from hdc.stage import Stage

STAGE = Stage(
    name="evaluate",
    about=__doc__,
    choices=("scale", "data", "ablation"),
    arguments={
        "seed": "of the encoder, for the record",
        "encoder": "the encoder that made the features; the list of videos beside it is read",
        "features": "features.safetensors, made by hdc.embed",
        "prepared": "results/data/<data>, made by hdc.prepare",
        "split": "number of the split",
        "output_dir": "<folder of the encoder>/<data>/split<split>",
    },
    reads=EVALUATE_READS,
)


def main(settings: SimpleNamespace, arguments: SimpleNamespace) -> None:
    """Judge one table of features on one split."""
    stopwatch, output = Stopwatch(), Path(arguments.output_dir)
    index = read_index(arguments.prepared)
    split = read_split(arguments.prepared, int(arguments.split))
    require_unseen(arguments.encoder, index, split)
    features, facts = read_features(arguments.features, len(index))
    if facts["encoder"] != digest(Path(arguments.encoder).read_bytes()):
        raise InputError(
            f"{arguments.features}: expected features by {arguments.encoder}, found others"
        )
    judge = Judge(index, split, settings.evaluate)
    metrics: dict = {"levels": list(features), "chance": judge.retrieval_chance()}
    metrics |= {"retrieval": {}, "knn": {}, "linear": {}}
    for level, table in progress(
        features.items(), total=len(features), unit="level", what="probing"
    ):
        metrics["retrieval"][level], metrics["knn"][level] = judge.neighbours(level, table)
        metrics["linear"][level] = judge.probes(level, table)
    write_table(output / "outcomes.csv", judge.outcomes)
    write_record(
        output / "evaluate.json",
        stage="evaluate",
        metrics=metrics,
        settings=settings.record,
        protocol={
            "data": arguments.data,
            "split": int(arguments.split),
            "gallery": "train + val",
            "gallery_videos": len(judge.rows["train"]) + len(judge.rows["val"]),
            "test_videos": len(judge.outcomes),
            "unusable_test_videos": len(judge.outcomes) - len(judge.rows["test"]),
            "clips_per_video": facts["clips_per_video"],
            "averaging": "mean of features",
            "checkpoint": "last epoch of pretraining",
        }
        | missing_facts(arguments.prepared, arguments.split),
        seed=int(arguments.seed),
        stopwatch=stopwatch,
    )
    name, recall = next(iter(metrics["retrieval"][metrics["levels"][-1]].items()))
    videos = f"{len(judge.outcomes)} test videos"
    print(f"{output / 'evaluate.json'}: {name} {recall:.3f} on {videos}", flush=True)


def read_features(path: str, videos: int) -> tuple[dict[str, np.ndarray], dict]:
    """Features (video, channel) by level, shallow to deep, and the facts stored with them.

    Raises InputError if there is no file or it has other than `videos` rows.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: expected features, found none; run hdc.embed first")
    with safe_open(path, "numpy") as file:
        facts = json.loads(file.metadata()["hdc"])
        features = {level: file.get_tensor(level) for level in facts["levels"]}
    found = {len(table) for table in features.values()}
    if found != {videos}:
        raise InputError(f"{path}: expected {videos} rows as in index.csv, found {sorted(found)}")
    return features, facts


class Judge:
    """Judges features on one split and collects the outcome of every test video."""

    def __init__(self, index: pd.DataFrame, split: pd.DataFrame, settings: Evaluate) -> None:
        self.index, self.settings = index, settings
        self.rows = {part: rows_of(index, split, part) for part in ("train", "val", "test")}
        for part, rows in self.rows.items():
            if not rows:
                raise InputError(f"expected usable videos in part {part}, found none")
        test = split[split.part == "test"]
        self.outcomes = test[["video", "label"]].reset_index(drop=True)
        # Where each usable test video stands among all test videos.
        places = {video: place for place, video in enumerate(test.video)}
        self.places = [places[video] for video in index.video.iloc[self.rows["test"]]]

    def neighbours(self, level: str, table: np.ndarray) -> tuple[dict[str, float], float]:
        """Recall at each k by `r<k>`, and the accuracy of the weighted kNN classifier."""
        settings = self.settings
        gallery = sorted(self.rows["train"] + self.rows["val"])
        gallery_labels = self.index.label.iloc[gallery].tolist()
        own = self.index.label.iloc[self.rows["test"]].to_numpy()
        count = max(*settings.recall_at, settings.neighbours)
        found = nearest(table[self.rows["test"]], table[gallery], count=count)
        recall = {}
        for k in settings.recall_at:
            right = hits(found[1], own, gallery_labels, k=k)
            recall[f"r{k}"] = self._record(f"retrieval_{level}_r{k}", right)
        votes = vote(
            *found,
            gallery_labels,
            k=settings.neighbours,
            temperature=settings.neighbour_temperature,
        )
        return recall, self._record(f"knn_{level}", np.asarray(votes) == own)

    def probes(self, level: str, table: np.ndarray) -> dict[str, dict[str, float]]:
        """Per target, the label and each known factor that can be learned: accuracy or R2."""
        features = {part: table[rows] for part, rows in self.rows.items()}
        results = {}
        for target in ("label", *factor_columns(self.index)):
            column = self.index[target]
            if is_numeric(column):
                results[target] = self._regress(level, target, features)
            elif target == "label" or self._learnable(column):
                results[target] = self._classify(level, target, features)
        return results

    def retrieval_chance(self) -> float:
        """R@1 of a neighbour drawn at random: the mean over test videos of their label's share."""
        gallery = self.index.label.iloc[self.rows["train"] + self.rows["val"]]
        shares = gallery.value_counts(normalize=True)
        return float(self.outcomes.label.map(shares).fillna(0).mean())

    def _learnable(self, column: pd.Series) -> bool:
        """Whether a factor takes several values in train, and in test none beside them."""
        trained = set(column.iloc[self.rows["train"]])
        return len(trained) > 1 and set(column.iloc[self.rows["test"]]) <= trained

    def _classify(self, level: str, target: str, features: dict) -> dict[str, float]:
        settings, truth = self.settings, self._targets(target)
        predicted, strength = classify(
            features,
            truth,
            strengths=settings.probe_strengths,
            iterations=settings.probe_iterations,
        )
        right = np.asarray(predicted) == truth["test"]
        accuracy = self._record(f"linear_{level}_{target}", right)
        trained = pd.Series(np.concatenate([truth["train"], truth["val"]]))
        chance = float(trained.value_counts(normalize=True).max())
        return {"accuracy": accuracy, "chance": chance, "strength": strength}

    def _regress(self, level: str, target: str, features: dict) -> dict[str, float]:
        truth = self._targets(target)
        predicted, strength = regress(features, truth, strengths=self.settings.probe_strengths)
        self.outcomes[f"linear_{level}_{target}"] = self._placed(predicted, np.nan)
        return {"r2": explained(predicted, truth["test"]), "strength": strength}

    def _targets(self, target: str) -> dict[str, np.ndarray]:
        column = self.index[target].to_numpy()
        return {part: column[rows] for part, rows in self.rows.items()}

    def _record(self, name: str, right: np.ndarray) -> float:
        """Keep who was right, and return the share among all test videos, the unusable counted."""
        placed = self._placed(right, 0.0).astype(int)
        self.outcomes[name] = placed
        return float(placed.mean())

    def _placed(self, values: np.ndarray | list[float], missing: float) -> np.ndarray:
        """`values` of the usable test videos at their places among all of them."""
        column = np.full(len(self.outcomes), missing, dtype=float)
        column[self.places] = values
        return column


if __name__ == "__main__":
    STAGE.run(main)
