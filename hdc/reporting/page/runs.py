"""The runs as the page lists them: their questions, and their settings beside those of `hdc`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hdc.analysis.results import BASE, Results, flat
from hdc.study.stages import RECORDED

UNSET = "not set"


@dataclass(frozen=True)
class Listed:
    """A run with its question and, as text, the settings that its records hold."""

    name: str
    question: str
    paper: str
    differing: dict[str, tuple[str, str]]  # setting -> its value, and that of `hdc`
    settings: dict[str, str]


def runs(results: Results) -> list[Listed]:
    """Every run of a study, `hdc` first."""
    about = results.study["ablations"]
    return [
        Listed(
            name,
            about[name].get("question", ""),
            about[name].get("paper", ""),
            differing(results, name),
            settings_of(results, name),
        )
        for name in sorted(about, key=lambda name: name != BASE)
    ]


def settings_of(results: Results, name: str) -> dict[str, str]:
    """What the first record of each stage says about a run's settings, by dotted key."""
    settings: dict[str, str] = {}
    for stage in RECORDED:
        for record in results.of(stage, ablation=name)[:1]:
            settings |= flat(record.get("settings", {}))
    return dict(sorted(settings.items()))


def differing(results: Results, name: str) -> dict[str, tuple[str, str]]:
    """The settings in which a run's records differ from those of `hdc`, made for the same place.

    Only a stage of which both have a record is compared, or all of it would seem to differ. Where
    backbones or data sets disagree, the first one speaks.
    """
    unlike: dict[str, tuple[str, str]] = {}
    places = results.select(ablation=name)[["backbone", "data"]].drop_duplicates()
    for place in places.to_dict("records"):
        for stage in RECORDED:
            pair = [results.of(stage, **place, ablation=run)[:1] for run in (name, BASE)]
            if all(pair):
                ours, theirs = (records[0].get("settings", {}) for records in pair)
                unlike = dict(_unlike(ours, theirs)) | unlike
    unlike.pop("ablation", None)
    return unlike


def _unlike(
    ours: dict[str, Any], theirs: dict[str, Any], above: str = ""
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The keys in which two nested settings differ, each with both values in words."""
    for key in dict.fromkeys((*ours, *theirs)):
        first, second = ours.get(key, UNSET), theirs.get(key, UNSET)
        if isinstance(first, dict) and isinstance(second, dict):
            yield from _unlike(first, second, f"{above}{key}.")
        elif first != second:
            yield f"{above}{key}", (_words(first), _words(second))


def _words(value: Any) -> str:
    """A value; settings below one key in a row."""
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{key} {setting}" for key, setting in flat(value).items()) or str(value)
