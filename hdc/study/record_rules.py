"""What a record must be to be believed: its fields, the ranges of its numbers, its own folder."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hdc.runtime.errors import InputError
from hdc.study.record_files import RecordFile
from hdc.study.runs import part_of
from hdc.study.stages import place_of

FIELDS = {"stage": str, "metrics": dict, "settings": dict, "protocol": dict, "seed": int}
OPTIONAL = {"versions": dict, "device": str}  # older records may lack these
KINDS = {dict: "a table", list: "a list", str: "a text", int: "a whole number"}

# How many tables lie in one another in a metric, and which metrics are made of shares alone.
DEPTHS = {"retrieval": 2, "retrieval_chance": 1, "mean_average_precision": 1, "knn": 1, "linear": 3,
          "combinations": 3, "left_out": 3, "few_labels": 3, "shortcuts": 2, "invariance": 1,
          "time_probes": 3, "time_videos": 2, "spread": 1, "effective_rank": 1, "videos": 1,
          "controls": 2}  # fmt: skip
OF_SHARES = ("retrieval", "retrieval_chance", "mean_average_precision", "knn", "per_class",
             "map_shares")  # fmt: skip
# By the name of the number itself, wherever it stands.
SHARES = ("top1", "top5", "clip_top1", "clip_top5", "accuracy", "chance", "seen", "unseen",
          "repeated_frames")  # fmt: skip
AT_MOST_ONE = ("r2", "validation", "drop")
COUNTS = ("seconds", "peak_memory_bytes", "steps", "parameters", "multiply_adds", "labels",
          "pretraining_videos", "clips_per_second", "test_videos",
          "unusable_test_videos", "drawn", "too_short", "tested", "alike")  # fmt: skip
ANY = (-math.inf, math.inf)
ROUNDING = 1e-9  # a mean of shares may pass 1 by that


def read_record(path: RecordFile) -> dict[str, Any]:
    """A record of the run, seed, split and stage that its path names, if it names any.

    Raises InputError that says, without the path, what was expected and what was found.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected a whole record as JSON, found another text: {error}") from error
    _require_fields(record)
    for keys, value in _leaves(record):
        if keys[0] != "settings":
            _require_in_range(keys, value)
    _require_place(record, path)
    return record


def measured_invariance(path: Path) -> dict[str, float]:
    """The invariance of every term at the end of a pretraining, out of its record."""
    if not path.is_file():
        raise InputError(f"{path}: expected the record of a pretraining, found none")
    try:
        invariance = read_record(path)["metrics"].get("invariance")
        if not invariance:
            raise InputError("expected metrics invariance, found none")
    except InputError as error:
        raise InputError(f"{path}: {error}; pretrain that run again") from error
    return invariance


def _refuse(constant: str) -> None:
    """NaN and infinity, which JSON does not know and Python reads."""
    raise ValueError(f"{constant} is no number")


def _require_fields(record: Any) -> None:
    """Refuse a record that lacks a field, or has something else in its place."""
    fields = _require_kind("the record", record, dict)
    for name, kind in (FIELDS | OPTIONAL).items():
        if name in FIELDS or name in fields:
            _require_kind(name, fields.get(name), kind)
    for name, depth in DEPTHS.items():
        if name in fields["metrics"]:
            _require_tables(f"metrics {name}", fields["metrics"][name], depth)
    if fields["stage"] == "evaluate":
        levels = _require_kind("metrics levels", fields["metrics"].get("levels"), list)
        for level in levels or [None]:
            _require_kind("a name in metrics levels", level, str)


def _require_kind(name: str, value: Any, kind: type) -> Any:
    if type(value) is not kind:
        given = "nothing" if value is None else f"{value!r:.40}"
        raise InputError(f"expected {KINDS[kind]} as {name}, found {given}")
    return value


def _require_tables(name: str, value: Any, depth: int) -> None:
    for key, inside in _require_kind(name, value, dict).items():
        if depth > 1:
            _require_tables(f"{name} {key}", inside, depth - 1)


def _leaves(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no table or list, with the keys down to it, `[]` for a list's."""
    inside = value.items() if isinstance(value, dict) else ()
    inside = (("[]", item) for item in value) if isinstance(value, list) else inside
    if not isinstance(value, dict | list):
        yield keys, value
    for key, item in inside:
        yield from _leaves(item, (*keys, key))


def _require_in_range(keys: tuple[str, ...], value: Any) -> None:
    """Refuse an impossible number, and anything else where a number belongs, except null."""
    low, high = _range(keys)
    bounded, number = (low, high) != ANY, type(value) in (int, float)
    if value is None or not (number or bounded):
        return
    if not number or not math.isfinite(value) or not low - ROUNDING <= value <= high + ROUNDING:
        ends = [f"at least {low:g}"] if math.isfinite(low) else []
        ends += [f"at most {high:g}"] if math.isfinite(high) else []
        words = " ".join(["a number", " and ".join(ends)]) if ends else "a finite number"
        raise InputError(f"expected {words} as {' '.join(keys)}, found {value!r:.40}")


def _range(keys: tuple[str, ...]) -> tuple[float, float]:
    """The least and the greatest that a number may be, by the keys down to it."""
    metric, name = keys[1] if keys[0] == "metrics" else "", keys[-1]
    if metric in OF_SHARES or (metric == "shortcuts" and name != "videos"):
        return 0.0, 1.0
    if metric and (name in SHARES or keys[-2] == "within"):
        return 0.0, 1.0
    if metric in ("spread", "effective_rank"):
        return 0.0, math.inf
    if metric == "invariance" or (metric and name in AT_MOST_ONE):
        return -math.inf, 1.0
    return (0.0, math.inf) if name in COUNTS else ANY


def _require_place(record: dict[str, Any], path: RecordFile) -> None:
    """Refuse a record that was made for another folder than it lies in."""
    named: dict[str, Any] | None = place_of(path)
    if named is None:
        return
    if "data" not in named:
        named["data"], named["split"] = part_of(named["pretrained_on"])
    # An encoder that was taken over names no data; old records do not say everything.
    said = {"stage": record["stage"], "seed": record["seed"], "ablation": named["ablation"]}
    said |= {key: value for key, value in record["settings"].items() if key == "ablation"}
    said |= {key: record["protocol"].get(key, named[key]) for key in ("data", "split")}
    for key, value in said.items():
        if str(value) != str(named[key]):
            raise InputError(f"expected {key} {named[key]}, as the path says, found {value}")
