"""The numbers that frozen features are judged by, named once: for records, outcomes and tables.

`table` is the name of a table of features: a level such as `layer4`, or a variant of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Judgement:
    """One number: what tables call it, where a record's metrics have it, and who was right."""

    name: str
    title: str  # for people
    path: tuple[str, ...]  # in the metrics
    outcome: str = ""  # the column of outcomes.csv that it is the mean of; empty: there is none


def recall(table: str, rank: int) -> Judgement:
    """Retrieval: whether one of the nearest `rank` videos has the label."""
    name = f"r{rank}"
    path, outcome = ("retrieval", table, name), f"retrieval_{table}_{name}"
    return Judgement(name, f"R@{rank} (%)", path, outcome)


def average_precision(table: str) -> Judgement:
    """Retrieval: the mean over test videos of the precision at each right one."""
    name = "mean_average_precision"
    return Judgement(name, "mAP (%)", (name, table), f"average_precision_{table}")


def neighbor_vote(table: str) -> Judgement:
    """Accuracy of the weighted vote of the nearest neighbors."""
    return Judgement("knn", "kNN (%)", ("knn", table), f"knn_{table}")


def linear_probe(table: str, target: str, kind: str = "accuracy") -> Judgement:
    """A linear probe of the label or a factor: accuracy, or `r2` for a factor on a scale."""
    path = ("linear", table, target, kind)
    if kind != "accuracy":
        return Judgement(target, f"{target} (R²)", path)
    return Judgement(target, f"{target} (%)", path, f"linear_{table}_{target}")


def left_out(table: str, factor: str, which: str) -> Judgement:
    """A factor where every value of another was `seen` with it in training, or one was `unseen`."""
    words = {"seen": "all seen", "unseen": "one left out"}[which]
    return Judgement(
        f"left_out_{which}_{factor}",
        f"{factor}: {words} (%)",
        ("left_out", table, factor, which),
        f"left_out_{which}_{table}_{factor}",
    )


TIME_PROBES = ("direction", "speed", "order")


def time_versions(strides: Sequence[int]) -> dict[str, tuple[str, ...]]:
    """By probe of time the variants of a level that it tells apart; empty: the level itself.

    `strides`: of the clips whose speed is told.
    """
    faster = tuple(f".stride{stride}" for stride in strides)
    return {"direction": ("", ".reversed"), "speed": faster, "order": ("", ".swapped")}


def time_probe(table: str, probe: str) -> Judgement:
    """A linear probe of how a clip was played: which direction, speed or order of its halves."""
    return Judgement(
        f"time_{probe}",
        f"{probe} (%)",
        ("time_probes", table, probe, "accuracy"),
        f"time_{table}_{probe}",
    )


def few_labels(table: str, amount: str) -> Judgement:
    """A linear probe of the label from few labels, such as `10%` or `5 videos`."""
    return Judgement(
        f"linear_{amount.replace('%', '_percent').replace(' ', '_')}",
        f"{amount.replace(' videos', ' a class')} (%)",
        ("few_labels", table, amount, "accuracy"),
        f"few_labels_{table}_{amount}",
    )
