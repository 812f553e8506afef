"""The few comparisons that a study declares before it is run; only these are tested."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hdc.runtime.errors import InputError

KEYS = ("question", "run", "against", "measure")
RECALL = re.compile(r"r[1-9][0-9]*")
MEASURE = re.compile(rf"top1|{RECALL.pattern}|mean_average_precision|knn|linear_[a-z0-9_]+")
MEASURES = (
    "top1, r<k> for a k of evaluate.recall_at, mean_average_precision, knn, linear_label, "
    "linear_<factor>"
)


@dataclass(frozen=True)
class Comparison:
    """One question: a run against another, or against several and so the strongest of them."""

    question: str
    run: str
    against: Sequence[str]
    measure: Sequence[str]  # names as in the ablation table; the mean of several is compared
    backbone: str
    data: str


def read_comparison(
    config: Mapping[str, Any], *, runs: Mapping[str, Sequence[str]], data_sets: Iterable[str]
) -> Comparison:
    """One of a study's `comparisons`; `runs` are those of each of its backbones.

    Backbone and data set are the study's first ones if none is named. Raises InputError for what
    the study does not have.
    """
    data_sets = list(data_sets)
    comparison = Comparison(
        question=config["question"],
        run=config["run"],
        against=_several(config["against"]),
        measure=_several(config["measure"]),
        backbone=config.get("backbone", next(iter(runs))),
        data=config.get("data", data_sets[0]),
    )
    _require("backbone", [comparison.backbone], runs)
    _require("data", [comparison.data], data_sets)
    _require("run", [comparison.run], runs[comparison.backbone])
    rivals = [run for run in runs[comparison.backbone] if run != comparison.run]
    _require("against", comparison.against, rivals)
    for name in comparison.measure:
        if not MEASURE.fullmatch(name):
            raise InputError(f"comparisons: measure: expected some of {MEASURES}, got {name}")
    return comparison


def _several(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _require(key: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise InputError(f"comparisons: {key}: expected one of {', '.join(known)}, got {name}")
