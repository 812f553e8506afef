"""Judges frozen features on one split, and keeps who of the test videos was right."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

from hdc.data.index import factor_columns, rows_of
from hdc.data.synthetic.motions import PERIODS
from hdc.evaluation import judgements
from hdc.evaluation.chance import hit_by_chance
from hdc.evaluation.factor_probes import (
    LEFT_OUT,
    WITHIN,
    classify_held_out,
    classify_left_out,
    classify_within,
)
from hdc.evaluation.few_labels import few_label_outcomes
from hdc.evaluation.judgements import Judgement
from hdc.evaluation.linear_probes import (
    classify,
    explained,
    is_numeric,
    off_circle,
    on_circle,
    regress,
)
from hdc.evaluation.retrieval import average_precision, hits, nearest, vote
from hdc.runtime.errors import InputError
from hdc.settings.evaluation import Evaluate

Table = Float[np.ndarray, "video _"]
Scores = dict[str, Any]


class Judge:
    """Judges tables of features of a data set, one row a video of the index, on one split.

    `outcomes` has a row per test video of the split and grows by a column a judgement: 1 or 0, or
    the share of draws that were right; for a numeric factor the prediction. An unusable test video
    is a miss everywhere; only R2 leaves it out, for it has no value to be missed.
    """

    def __init__(self, index: pd.DataFrame, split: pd.DataFrame, settings: Evaluate) -> None:
        self.index, self.settings = index, settings
        self.rows = {part: rows_of(index, split, part) for part in ("train", "val", "test")}
        for part, rows in self.rows.items():
            if not rows:
                raise InputError(f"expected usable videos in part {part}, found none")
        self.gallery = sorted(self.rows["train"] + self.rows["val"])
        test = split[split.part == "test"]
        self.outcomes = test[["video", "label", "group"]].reset_index(drop=True)
        # Where each usable test video stands among all test videos.
        places = {video: place for place, video in enumerate(test.video)}
        self.places = [places[video] for video in index.video.iloc[self.rows["test"]]]
        self._new: dict[str, np.ndarray] = {}
        self.strengths: dict[tuple[str, str], float] = {}  # (features, factor) -> chosen on val

    def neighbors(self, name: str, table: Table) -> dict[str, Any]:
        """Recall at each k by `r<k>`, mean average precision, accuracy of the weighted kNN.

        And `found`: the rows of the index that are nearest to each test video, with the cosines.
        """
        settings, gallery = self.settings, np.asarray(self.gallery)
        gallery_labels = self.index.label.iloc[gallery].tolist()
        query_labels = self.index.label.iloc[self.rows["test"]].to_numpy()
        queries, entries = table[self.rows["test"]], table[gallery]
        count = max(*settings.recall_at, settings.neighbours)
        similarity, rows = nearest(queries, entries, count=count)
        recall = {}
        for k in settings.recall_at:
            right = hits(rows, query_labels, gallery_labels, k=k)
            judged = judgements.recall(name, k)
            recall[judged.name] = self._record(judged, right)
        precision = average_precision(queries, query_labels, entries, gallery_labels)
        votes = vote(
            similarity,
            rows,
            gallery_labels,
            k=settings.neighbours,
            temperature=settings.neighbour_temperature,
        )
        return {
            "recall": recall,
            "mean_average_precision": self._record(judgements.average_precision(name), precision),
            "knn": self._record(judgements.neighbor_vote(name), np.asarray(votes) == query_labels),
            "found": (similarity, gallery[rows]),
        }

    def probes(self, name: str, table: Table) -> dict[str, Scores]:
        """Per target, the label and each known factor that can be read: accuracy or R2."""
        features = {part: table[rows] for part, rows in self.rows.items()}
        return {
            target: scores
            for target in ("label", *factor_columns(self.index))
            if (scores := self._probe(name, target, features, table))
        }

    def left_out(self, name: str, table: Table) -> dict[str, Scores]:
        """For factors that make the label together: accuracy where a value of another was left out.

        After `probes`, which chooses the strength; nothing where there are no such factors.
        """
        features = {part: table[rows] for part, rows in self.rows.items()}
        results = {}
        for factor, group in LEFT_OUT.items():
            if (name, factor) not in self.strengths or group not in self.index:
                continue
            right = classify_left_out(
                features,
                self._targets(factor),
                self._targets(group),
                strength=self.strengths[name, factor],
                iterations=self.settings.probe_iterations,
            )
            seen, unseen = (
                self._record(judgements.left_out(name, factor, which), right[which])
                for which in ("seen", "unseen")
            )
            results[factor] = {"seen": seen, "unseen": unseen, "drop": seen - unseen}
        return results

    def few_labels(self, name: str, table: Table) -> dict[str, Scores]:
        """By how many labels there are: accuracy, mean and spread over draws; after `probes`."""
        settings = self.settings
        outcomes = few_label_outcomes(
            table[self.gallery],
            self.index.label.iloc[self.gallery].to_numpy(),
            table[self.rows["test"]],
            self._targets("label")["test"],
            shares=settings.few_label_shares,
            videos=settings.few_label_videos,
            draws=settings.few_label_draws,
            strength=self.strengths[name, "label"],
            iterations=settings.probe_iterations,
        )
        usable = len(self.rows["test"]) / len(self.outcomes)
        return {
            amount: {
                "accuracy": self._record(judgements.few_labels(name, amount), right.mean(axis=0)),
                "spread_over_draws": float(right.mean(axis=1).std() * usable),
                "labels": float(np.mean(used)),
            }
            for amount, (right, used) in outcomes.items()
        }

    def record_some(
        self,
        judged: Judgement,
        rows: Shaped[np.ndarray, " some"],
        shares: Float[np.ndarray, " some"],
    ) -> float:
        """Keep an outcome of some usable test videos, by row of the index, and return its mean.

        The other test videos were not asked, and have none.
        """
        column = pd.Series(np.nan, index=self.rows["test"])
        column[rows] = shares
        self._new[judged.outcome] = self._placed(column, np.nan)
        return float(np.mean(shares))

    def by_label(self, judged: Judgement) -> dict[str, float]:
        """The mean of an outcome over the test videos of each label."""
        means = self.table()[judged.outcome].groupby(self.outcomes.label).mean()
        return {str(label): float(mean) for label, mean in means.items()}

    def retrieval_chance(self) -> float:
        """R@1 of a neighbor drawn at random: the mean over test videos of their label's share."""
        shares = self.index.label.iloc[self.gallery].value_counts(normalize=True)
        return float(self.outcomes.label.map(shares).fillna(0).mean())

    def recall_chance(self) -> dict[str, float]:
        """Recall by `r<k>` of neighbors drawn at random: exact, by the sizes of the classes."""
        sizes = self.index.label.iloc[self.gallery].value_counts()
        same = self.outcomes.label.map(sizes).fillna(0).to_numpy()
        return {
            judgements.recall("", k).name: float(
                hit_by_chance(same, entries=len(self.gallery), k=k).mean()
            )
            for k in self.settings.recall_at
        }

    def table(self) -> pd.DataFrame:
        """Video, label, group and every outcome so far."""
        return pd.concat([self.outcomes, pd.DataFrame(self._new)], axis=1)

    def _probe(self, name: str, target: str, features: dict, table: Table) -> Scores:
        """One probe of the kind that its target needs; empty if there is none."""
        column = self.index[target]
        if is_numeric(column):
            return self._regress(name, target, features)
        if target in WITHIN and WITHIN[target] in self.index:
            return self._classify_within(name, target, features)
        if target == "label" or self._is_shared(column):
            return self._classify(name, target, features)
        if self._is_learnable(column):
            rows, settings = self.rows["train"], self.settings
            return classify_held_out(
                table[rows],
                column.iloc[rows].to_numpy(),
                strengths=settings.probe_strengths,
                iterations=settings.probe_iterations,
            )
        return {}

    def _is_shared(self, column: pd.Series) -> bool:
        """Whether a factor takes several values in train, and in test none beside them."""
        trained = set(column.iloc[self.rows["train"]])
        return len(trained) > 1 and set(column.iloc[self.rows["test"]]) <= trained

    def _is_learnable(self, column: pd.Series) -> bool:
        """Whether enough training videos share values that some of them can be held out."""
        trained = column.iloc[self.rows["train"]]
        return 1 < trained.nunique() <= len(trained) // 2

    def _classify(self, name: str, target: str, features: dict) -> Scores:
        settings, truth = self.settings, self._targets(target)
        read = classify(
            features,
            truth,
            strengths=settings.probe_strengths,
            iterations=settings.probe_iterations,
        )
        self.strengths[name, target] = read.strength
        right = read.predicted == truth["test"]
        accuracy = self._record(judgements.linear_probe(name, target), right)
        trained = pd.Series(np.concatenate([truth["train"], truth["val"]]))
        chance = float(trained.value_counts(normalize=True).max())
        return {
            "accuracy": accuracy,
            "chance": chance,
            "strength": read.strength,
            "validation": read.validation,
        }

    def _classify_within(self, name: str, target: str, features: dict) -> Scores:
        settings, truth, within = self.settings, *map(self._targets, (target, WITHIN[target]))
        predicted, by_value = classify_within(
            features,
            truth,
            within,
            strengths=settings.probe_strengths,
            iterations=settings.probe_iterations,
        )
        judged = judgements.linear_probe(name, target)
        accuracy = self._record(judged, predicted == truth["test"])
        trained = pd.DataFrame(
            {
                column: np.concatenate([values["train"], values["val"]])
                for column, values in (("own", truth), ("within", within))
            }
        )
        most = trained.groupby("within").own.value_counts(normalize=True).groupby("within").max()
        chance = pd.Series(within["test"]).map(most).fillna(0).mean()
        return {"accuracy": accuracy, "chance": float(chance), "within": by_value}

    def _regress(self, name: str, target: str, features: dict) -> Scores:
        truth, period = self._targets(target), PERIODS.get(target)
        if period:
            truth = {part: on_circle(values, period) for part, values in truth.items()}
        read = regress(features, truth, strengths=self.settings.probe_strengths)
        shown = off_circle(read.predicted, period) if period else read.predicted
        # A column of predictions: nobody is right or wrong on a scale.
        self._new[judgements.linear_probe(name, target).outcome] = self._placed(shown, np.nan)
        return {
            "r2": explained(read.predicted, truth["test"]),
            "strength": read.strength,
            "validation": read.validation,
        }

    def _targets(self, target: str) -> dict[str, np.ndarray]:
        column = self.index[target].to_numpy()
        return {part: column[rows] for part, rows in self.rows.items()}

    def _record(self, judged: Judgement, outcome: Shaped[np.ndarray, " usable"]) -> float:
        """Keep an outcome, and return its mean over all test videos, the unusable counted as 0."""
        placed = self._placed(outcome, 0.0)
        whole = (placed == placed.astype(int)).all()
        self._new[judged.outcome] = placed.astype(int) if whole else placed
        return float(placed.mean())

    def _placed(self, values: ArrayLike, missing: float) -> Float[np.ndarray, " row"]:
        """`values` of the usable test videos at their places among all of them."""
        column = np.full(len(self.outcomes), missing, dtype=float)
        column[self.places] = values
        return column
