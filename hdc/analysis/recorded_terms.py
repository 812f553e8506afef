"""The terms of the objective that a record was made with."""

from collections.abc import Mapping
from typing import Any

VIDEOS_OR_TIMES = ("videos", "times")  # negatives that are no views


def terms_of(settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """By name, out of the settings in a record; those that the run took out are not there.

    Records of before there were other terms have the two of the paper beside all else.
    """
    objective = settings.get("objective", {})
    terms = objective.get("terms") or {
        name: objective[name] for name in ("spatial", "temporal") if name in objective
    }
    return {name: term for name, term in terms.items() if term is not None}


def views_of(term: Mapping[str, Any]) -> set[str]:
    """The names of the views that a term uses."""
    named = {name for pair in term.get("pairs", ()) for name in pair} | {*term.get("predict", ())}
    return named | set(term.get("negatives", ())) - set(VIDEOS_OR_TIMES)
