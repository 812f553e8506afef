"""A study: which runs there are and where each puts its files."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hdc.data.preparation.changes import changed_since
from hdc.data.preparation.sources import (
    count_made,
    count_shards,
    look_up,
    require_named,
    require_whole,
)
from hdc.encoders.file import require_adoptable
from hdc.runtime.errors import InputError
from hdc.runtime.home_folders import expanded
from hdc.settings.compose import compose_run, plain, settings_text, typed
from hdc.settings.files import file_of_run, require_allowed
from hdc.settings.reads import PREPARE_READS, PRETRAIN_READS
from hdc.study.names import SAME, named_runs, require_names
from hdc.study.preregistered import RECALL, Comparison, read_comparison
from hdc.study.runs import Evaluation, Run, part_of
from hdc.study.shared_settings import as_words, require_shareable

MAIN_RUNS = ("hdc", "coupled_single_level", "random_init")  # what every backbone gets
NAME = re.compile(r"[a-z0-9_]+")  # of everything that names a folder
ALLOWED = ("missing", "copies", "pretrain_on_test", "gaps")  # by `allow_<what>`


@dataclass(frozen=True)
class Source:
    """Where a data set's videos come from."""

    folder: str  # empty: they are made
    shards: int  # the parts that they are prepared in, a job each
    found: int  # videos that are there; when more have come, parts are prepared again
    # Videos whose files have changed since, each with how; the data set is then prepared again.
    changed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """What a `config/<study>.yaml` asks for; every name in it is known to exist."""

    study: str
    scale: str
    pretrain_on: str
    evaluate_on: dict[str, list[int]]
    backbones: list[str]
    ablations: list[str]
    ablate_on: list[str]
    seeds: list[int]
    data: dict[str, str]
    protocol: str
    allow_missing: bool
    allow_copies: bool
    allow_pretrain_on_test: bool
    allow_gaps: bool
    question: str = ""
    note: str = ""  # what every table says of the study
    duration: str = ""  # what to expect, said when it starts
    settings: Mapping[str, Any] = field(default_factory=dict)  # of all runs, by dotted key
    comparisons: tuple[Comparison, ...] = ()
    home_studies: tuple[str, ...] = ()  # others, pretrained on the data sets judged on here
    # `<backbone>/<ablation>` of each run that cannot be -> why
    gaps: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "Study":
        """Check a study's configuration against the files that there are.

        Raises InputError that names the key and the allowed values.
        """
        require_names(config)
        wanted = named_runs(config["ablations"], "ablations")
        ablate_on = config.get("ablate_on", config["backbones"])
        outside = sorted(set(ablate_on) - set(config["backbones"]))
        if outside:
            raise InputError(
                f"ablate_on: expected some of {', '.join(config['backbones'])}, "
                f"got {', '.join(outside)}"
            )
        skipped = set(named_runs(config.get("skip", []), "skip"))
        study = cls(
            study=config["study"],
            scale=config["scale"],
            pretrain_on=config["pretrain_on"],
            evaluate_on={name: list(splits) for name, splits in config["evaluate_on"].items()},
            backbones=list(config["backbones"]),
            ablations=[name for name in wanted if name not in skipped],
            ablate_on=list(ablate_on),
            seeds=[int(seed) for seed in config["seeds"]],
            data={
                name: expanded(folder, f"data: {name}")
                for name, folder in config.get("data", {}).items()
            },
            protocol=config.get("protocol", "ours"),
            home_studies=tuple(config.get("home_studies", [])),
            settings=dict(config.get("settings", {})),
            **{f"allow_{what}": config.get(f"allow_{what}", False) for what in ALLOWED},
            **{key: config.get(key, "") for key in ("question", "note", "duration")},
        )
        place = (study.backbones[0], "hdc", next(iter(study.evaluate_on)))
        require_shareable(
            study.settings, lambda some: replace(study, settings=some).compose(*place)
        )
        runs = {backbone: study.runs_of(backbone) for backbone in study.backbones}
        study = replace(
            study,
            comparisons=tuple(
                read_comparison(comparison, runs=runs, data_sets=study.evaluate_on)
                for comparison in config.get("comparisons", [])
            ),
        )
        for comparison in study.comparisons:
            study._require_recalled(comparison)
        for evaluation in () if study.allow_pretrain_on_test else study.evaluations():
            _require_apart(evaluation)
        for ablation in study.ablations:
            study.require_sound(ablation)
        return study

    def require_sound(self, ablation: str) -> None:
        """Refuse a run that borrows an encoder unlike its own, or that changes its data.

        Raises InputError also if it names a run that does not exist.
        """
        where, data = file_of_run(ablation), next(iter(self.evaluate_on))
        run, base = (self.compose(self.backbones[0], name, data) for name in (ablation, "hdc"))
        if not NAME.fullmatch(ablation):
            raise InputError(f"{where}: expected a name of a-z, 0-9 and _")
        if settings_text(run, PREPARE_READS) != settings_text(base, PREPARE_READS):
            raise InputError(
                f"{where}: {', '.join(PREPARE_READS)}: expected nothing; prepared data are shared "
                "by all runs, so other data are a data set of their own in config/data/"
            )
        for key, name in (
            ("pretrained_by", run.pretrained_by),
            ("objective.measured_by", run.objective.measured_by),
        ):
            if name is not None:
                require_allowed("ablation", name, f"{where}: {key}")
        if run.pretrained_by is not None:
            lender = self.compose(self.backbones[0], run.pretrained_by, data)
            if settings_text(run, PRETRAIN_READS) != settings_text(lender, PRETRAIN_READS):
                raise InputError(
                    f"{where}: pretrained_by: expected the settings of pretraining to be those of "
                    f"{run.pretrained_by}, found others; leave pretrained_by out"
                )
        if run.encoder is not None:
            self._require_adoptable(ablation, run.encoder, data)

    def _require_recalled(self, comparison: Comparison) -> None:
        """Refuse a comparison in R@k for a k that one of its runs is not asked for."""
        for ablation in (comparison.run, *comparison.against):
            run = self.compose(comparison.backbone, ablation, comparison.data)
            known = [f"r{k}" for k in run.evaluate.recall_at]
            for name in comparison.measure:
                if RECALL.fullmatch(name) and name not in known:
                    raise InputError(
                        f"comparisons: measure: expected one of {', '.join(known)}, as "
                        f"evaluate.recall_at of {ablation} says, got {name}"
                    )

    def _require_adoptable(self, ablation: str, encoder: str, data: str) -> None:
        """Refuse to take over an encoder of another backbone."""
        for backbone in self.backbones:
            if ablation in self.runs_of(backbone):
                settings = plain(self.compose(backbone, ablation, data).backbone)
                try:
                    require_adoptable(encoder, settings)
                except InputError as error:
                    raise InputError(f"{file_of_run(ablation)}: encoder: {error}") from error

    def evaluations(self) -> Iterator[Evaluation]:
        """Every encoder on every split it is judged on, in the order of the tables; no gaps."""
        for evaluation in self.asked_evaluations():
            if f"{evaluation.run.backbone}/{evaluation.run.ablation}" not in self.gaps:
                yield evaluation

    def asked_evaluations(self) -> Iterator[Evaluation]:
        """The same with the gaps."""
        for backbone in self.backbones:
            for ablation in self.runs_of(backbone):
                for seed in self.seeds:
                    for data, splits in self.evaluate_on.items():
                        for split in splits:
                            on = self._pretrained_on(backbone, ablation, data, split)
                            run = Run(self.study, backbone, ablation, seed, on)
                            yield Evaluation(run, data, split)

    def _pretrained_on(self, backbone: str, ablation: str, data: str, split: int) -> str:
        """What a run is pretrained on; labels are always those of the evaluated split."""
        run = self.compose(backbone, ablation, data)
        if self.pretrain_on == SAME or run.pretrain.labels:
            return f"{data}-split{split}"
        return self.pretrain_on

    def plan(self) -> str:
        """All of the study as JSON, for the report: runs with their questions, evaluations."""
        evaluations = [
            asdict(evaluation.run)
            | {"data": evaluation.data, "split": evaluation.split}
            | {"run_folder": self.pretrained(evaluation).folder, "folder": evaluation.folder}
            for evaluation in self.asked_evaluations()
        ]
        questions = {}
        for name in self.ablations:
            about = self.compose(self.backbones[0], name, next(iter(self.evaluate_on))).about
            questions[name] = {"question": about.question, "paper": about.paper}
        return json.dumps(
            {
                "study": self.study,
                "scale": self.scale,
                "question": self.question,
                "note": self.note,
                "comparisons": [asdict(comparison) for comparison in self.comparisons],
                "ablations": questions,
                "evaluations": evaluations,
            }
            | ({"gaps": dict(self.gaps)} if self.gaps else {})
            | ({"home_studies": self.home_studies} if self.home_studies else {})
            | ({"settings": dict(self.settings)} if self.settings else {})
        )

    def pretrained(self, evaluation: Evaluation) -> Run:
        """The run whose encoder is judged: the one that `pretrained_by` names, or its own."""
        run = evaluation.run
        by = self.compose(run.backbone, run.ablation, evaluation.data).pretrained_by
        return replace(run, ablation=by or run.ablation)

    def compose(self, backbone: str, ablation: str, data: str) -> Any:
        """The settings of one of its runs on a data set."""
        shared = as_words(self.settings)
        return compose_run(**self.choices(backbone, ablation, data), shared=shared)

    def choices(self, backbone: str, ablation: str, data: str) -> dict[str, str]:
        """The files that make up the settings of one of its runs on a data set."""
        names = {"backbone": backbone, "data": data, "protocol": self.protocol}
        return names | {"scale": self.scale, "ablation": ablation}

    def runs_of(self, backbone: str) -> list[str]:
        """The ablations that a backbone gets."""
        if backbone in self.ablate_on:
            return self.ablations
        return [name for name in self.ablations if name in MAIN_RUNS]

    def data_sets(self) -> list[str]:
        """Every data set that has to be prepared."""
        names = set(self.evaluate_on)
        if self.pretrain_on != SAME:
            names.add(part_of(self.pretrain_on)[0])
        return sorted(names)

    def lists(self, data: str) -> str:
        """Whose official lists a data set has; empty for one that is made or found in a folder."""
        run = compose_run("hdc", backbone="r3d18", data=data, scale=self.scale)
        [node] = typed(run, "data")
        return node.official.reader if node.official is not None else ""

    def source(self, data: str, *, compare: bool = True) -> Source:
        """Where a data set's videos come from, and into how many parts they fall.

        `compare`: look whether the files are still those that were prepared, and whether what was
        prepared is whole. Raises InputError if it is not, if the study names no folder, one that is
        not there or one that lacks videos that the data set lists.
        """
        run = compose_run("hdc", backbone="r3d18", data=data, scale=self.scale)
        node, store = typed(run, "data", "store")
        prepared = f"results/data/{data}"
        folder = require_named(data, node, self.data.get(data), prepared)
        try:
            if compare:
                require_whole(prepared)
            if node.synthetic is not None:
                made = count_made(node.synthetic)
                return Source(folder, count_shards(made, store), made)
            listing = look_up(node, folder, prepared, allow_missing=self.allow_missing)
            there = compare and Path(folder).is_dir()  # once prepared, originals are not needed
            changed = changed_since(listing, prepared) if there else {}
        except InputError as error:
            raise InputError(f"data: {data}: {error}") from error
        found = len(listing.videos) - len(listing.missing)
        return Source(folder, count_shards(len(listing.files), store), found, changed)


def _require_apart(evaluation: Evaluation) -> None:
    """Refuse to judge an encoder on the data set it saw whole, or on a fold that it trained on."""
    data, split = part_of(evaluation.run.pretrained_on)
    if data == evaluation.data and split != evaluation.split:
        raise InputError(
            f"pretrain_on: expected same, or {data}-split{evaluation.split}, because split "
            f"{evaluation.split} of {data} is evaluated, got {evaluation.run.pretrained_on}; "
            "allow_pretrain_on_test: true goes on, and every table says so"
        )
