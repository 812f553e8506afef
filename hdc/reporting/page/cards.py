"""Cards of the page that say how a cell was made; cells of the same records share one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hdc.analysis.number_formats import seeds_text
from hdc.analysis.results import Results, record_path
from hdc.reporting.captions import protocols
from hdc.reporting.tables.table import Origin, Table
from hdc.study.stages import RECORDED

WORDS = {name: facts.longer_title or facts.title for name, facts in RECORDED.items()}


@dataclass(frozen=True)
class Card:
    """What some cells are, how their records were made, where they lie and which are missing."""

    id: str
    title: str
    facts: dict[str, str]
    records: list[str]
    missing: list[str]


def cards(results: Results, tables: Iterable[Table]) -> dict[Origin, Card]:
    """One card for each origin of a cell, in the order of the tables."""
    origins = dict.fromkeys(origin for table in tables for origin in table.origins.values())
    return {
        origin: _card(results, origin, f"card-{number}")
        for number, origin in enumerate(origins, start=1)
    }


def provenance(records: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Commits, devices and versions of records; more than one commit means a mixed study."""
    commits, devices, versions = [], [], []
    for record in records:
        commit = record.get("commit") or "none: not in a checkout"
        commits.append(f"{commit}, modified" if record.get("modified") else commit)
        devices.append(record.get("device", "not recorded"))
        versions += [f"{name} {number}" for name, number in record.get("versions", {}).items()]
    return {
        name: list(dict.fromkeys(values))
        for name, values in (("commits", commits), ("devices", devices), ("versions", versions))
    }


def _card(results: Results, origin: Origin, name: str) -> Card:
    where = {"backbone": origin.backbone, "ablation": origin.ablation}
    rows = results.select(**where, data=origin.data).itertuples(index=False)
    paths = list(dict.fromkeys(record_path(row, origin.stage) for row in rows))
    there = [path for path in paths if path in results.records]
    records = [results.records[path] for path in there]
    made, seeds = provenance(records), sorted({record["seed"] for record in records})
    facts = {
        "run": origin.ablation,
        "backbone": origin.backbone,
        "data set": origin.data,
        "stage": WORDS[origin.stage],
    }
    protocol = protocols(results, origin.stage, origin.data, **where)
    facts |= {key: value for key, value in protocol.items() if key != "data"}
    facts["records"] = f"{len(there):,} of {len(paths):,}"
    if records:
        facts["seeds"] = f"{seeds_text(len(seeds))}: {', '.join(map(str, seeds))}"
        facts |= {"commit": "; ".join(made["commits"]), "device": "; ".join(made["devices"])}
    title = f"{origin.ablation}: {facts['stage']} on {origin.data}"
    missing = [results.missing[path] for path in paths if path in results.missing]
    return Card(name, title, facts, there, missing)
