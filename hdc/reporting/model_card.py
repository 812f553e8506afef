"""The model card of an encoder: what it is, learned from and reaches, and how it is used."""

import json
import re
from pathlib import Path
from typing import Any

import jinja2
import yaml

from hdc.analysis.measure import Measure
from hdc.analysis.measures import compared
from hdc.analysis.number_formats import BLANK, interval_text, seeds_text
from hdc.analysis.results import by_seed, cells, over_seeds, read_results

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.-]*")  # as the hub names licences
NOT_STATED = "unknown"


def model_card(
    config: dict[str, Any],
    record: dict[str, Any],
    results: list[dict[str, str]],
    *,
    license: str | None,  # noqa: A002  (the hub's word)
    videos: int,
) -> str:
    """A card in Markdown, with the front matter that the Hugging Face hub reads.

    `config`: of the folder's config.json; `record`: of the pretraining; `results`: rows of
    `results_of`; `videos`: how many it was trained on.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hdc.reporting", ""),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md.j2").render(
        config=config,
        front=yaml.safe_dump(front_matter(config, license), sort_keys=False).strip(),
        settings=yaml.safe_dump(record["settings"], sort_keys=False).strip(),
        protocol={name: _words(value) for name, value in record["protocol"].items()},
        commit=record.get("commit"),
        results=results,
        license=license and " ".join(license.split()),
        videos=videos,
        trained_on=_trained_on(config, record["protocol"], videos),
    )


def front_matter(config: dict[str, Any], license: str | None) -> dict[str, Any]:  # noqa: A002
    """What the hub sorts by; a licence that cannot be an identifier of the hub's is `other`."""
    known = license is None or IDENTIFIER.fullmatch(license)
    facts = {"license": (license or NOT_STATED) if known else "other"}
    facts |= {} if known else {"license_name": license}
    return facts | {
        "library_name": "hdc",
        "pipeline_tag": "video-classification",
        "tags": ["video", "feature-extraction", "self-supervised-learning", config["backbone"]],
    }


def results_of(run: Path) -> list[dict[str, str]]:
    """What the records of a run's study say: a row a measure, of this encoder and over seeds.

    Nothing if the run lies in no study. Raises InputError if study.json or a record is damaged.
    """
    plan = run.resolve().parents[4] / "study.json" if len(run.resolve().parents) > 4 else None
    if plan is None or not plan.is_file():
        return []
    results = read_results(plan)
    backbone, ablation, seed = run.resolve().parts[-4:-1]
    rows = results.select(backbone=backbone, ablation=ablation, pretrained_on=run.resolve().name)
    shown = []
    for name, measure in compared(results).items() if len(rows) else ():
        some = rows if measure.data is None else rows[rows["data"] == measure.data]
        seeds = by_seed(cells(results, measure.stage, measure.path, some), ["data"])
        for (data, number), value in seeds["value"].items():
            if str(number) != seed.removeprefix("seed") or value != value:
                continue
            mean = over_seeds(seeds).loc[data]
            interval = interval_text(measure.show, mean["low"], mean["high"])
            over = f"{measure.show(mean['mean'])}{interval}, {seeds_text(int(mean['seeds']))}"
            shown.append(
                {
                    "data": str(data),
                    "measure": _titled(name, measure),
                    "this": measure.show(value),
                    "seeds": over if mean["seeds"] > 1 else BLANK,
                    "splits": str(int(mean["splits"])),
                }
            )
    return shown


def _titled(name: str, measure: Measure) -> str:
    """A measure's heading, which in a table of its own need not say how it was measured."""
    if measure.stage == "finetune":
        return f"fine-tuned, {measure.title}"
    return f"linear probe, {measure.title}" if name.startswith("linear_") else measure.title


def _trained_on(config: dict[str, Any], protocol: dict[str, Any], videos: int) -> str:
    """A sentence on the data; records of earlier versions say less."""
    if config["pretrained_on"]:
        return f"Pretrained elsewhere, on {config['pretrained_on']}."
    data = f" of {protocol['data']}" if "data" in protocol else ""
    part = f", {protocol['trained_on']}" if "trained_on" in protocol else ""
    split = f" of split {protocol['split']}" if protocol.get("split") else ""
    return f"Pretrained on {videos:,} videos{data}{part}{split}."


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
