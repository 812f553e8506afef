"""A study with planted records, whose averages are known by hand."""

import json
import math
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pandas as pd

LEVELS = ("layer2", "layer3", "layer4")
VIDEOS = 50  # tested, so that every planted share of them is a whole number
TIMED = 40  # of them, the first, that were asked for probes of time
NAMED = "results/planted"  # the folder of the study as study.json names it
REJECTED = {"too short": 3}
CLASSES = ("jump", "run", "walk")
TERMS = {"spatial": {"pairs": [["a", "b"]]}, "temporal": {"pairs": [["a", "c"]]}}
OBJECTIVE = {"terms": TERMS}  # 3 views
COUPLED = {"terms": {"spatial": None, "temporal": {"pairs": [["a", "b"]]}}}  # 2 views
CHANCES = {"label": 1 / 48, "shape": 0.125, "motion": 0.25, "color": 0.1}


def plant(
    root: Path,
    *,
    ablations: tuple[str, ...] = ("hdc", "random_init"),
    seeds: tuple[int, ...] = (0, 1),
    splits: tuple[int, ...] = (1, 2),
    backbones: tuple[str, ...] = ("r3d18",),
    data_sets: tuple[str, ...] = ("synthetic",),
    classes: tuple[str, ...] = CLASSES,
    shares: Callable[[str, int, int], float] | None = None,
    **more: object,
) -> Path:
    """Write a study and all its records below `root`; returns the path of study.json.

    `shares` says what each ablation, seed and split reaches: a multiple of 1 / VIDEOS. `more` goes
    into study.json, such as its question.
    """
    shares = shares or score
    root.mkdir(parents=True, exist_ok=True)
    evaluations = []
    for backbone, data, ablation, seed, split in product(
        backbones, data_sets, ablations, seeds, splits
    ):
        place = f"runs/{backbone}/{ablation}/seed{seed}/{data}-split{split}"
        run, folder = root / place, root / place / f"{data}/split{split}"
        evaluations.append(
            {
                "backbone": backbone,
                "ablation": ablation,
                "seed": seed,
                "pretrained_on": run.name,
                "data": data,
                "split": split,
                "run_folder": f"{NAMED}/{place}",
                "folder": f"{NAMED}/{place}/{data}/split{split}",
            }
        )
        share = shares(ablation, seed, split)
        write_records(run, folder, ablation=ablation, seed=seed, split=split, share=share)
        write_predictions(folder / "predictions.csv", classes, rightly(share, 7 * seed))
        write_map(folder / "map.csv", classes)
    about = {name: {"question": f"What of {name}_100%?", "paper": "planted"} for name in ablations}
    study = {"study": "planted", "scale": "demo", "ablations": about, "evaluations": evaluations}
    study |= more
    path = root / "study.json"
    path.write_text(json.dumps(study))
    return path


def score(ablation: str, seed: int, split: int) -> float:
    """The planted share: 0.5 for hdc, 0.3 for others, 0.1 more for seed 1, 0.02 for split 2."""
    return (0.5 if ablation == "hdc" else 0.3) + 0.1 * seed + 0.02 * (split - 1)


def write_records(
    run: Path, folder: Path, *, ablation: str, seed: int, split: int, share: float
) -> None:
    """The files that the stages leave for one evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = ablation != "random_init"
    metrics = {
        "loss": 4.5 if trained else None,
        "steps": 20 if trained else 0,
        "pretraining_videos": 960,
        "parameters": 2_100_000,
        "multiply_adds": 1_500_000_000,
        "clips_per_second": 40.0 if trained else None,
    }
    objective = COUPLED if ablation.startswith("coupled") else OBJECTIVE
    parts = {"parts": "train + val"}
    write_record(run / "pretrain.json", "pretrain", metrics, seed, parts, objective)
    protocol = {
        "split": split,
        "test_videos": VIDEOS,
        "clips_per_video": 2,
        "averaging": "probabilities",
        "checkpoint": "last step",
    }
    metrics = {
        "top1": share,
        "top5": min(1.0, share + 0.2),
        "clip_top1": share - 0.05,
        "train_loss": 0.7,
    }
    write_record(folder / "finetune.json", "finetune", metrics, seed, protocol)
    timed = rightly_timed(share, 7 * seed)
    metrics = judged(share) | time_metrics(timed)
    write_record(folder / "evaluate.json", "evaluate", metrics, seed, protocol)
    columns = {f"linear_{LEVELS[-1]}_{name}": 0.02 * place for place, name in enumerate(CHANCES)}
    outcomes = {name: rightly(share + more, 7 * seed) for name, more in columns.items()}
    write_outcomes(folder / "outcomes.csv", outcomes | timed)
    steps = range(1, 21) if trained else ()
    lines = [json.dumps(log_line(step, ablation, seed)) + "\n" for step in steps]
    (run / "log.jsonl").write_text("".join(lines))


def write_record(
    path: Path, stage: str, metrics: dict, seed: int, protocol: dict, objective: dict = OBJECTIVE
) -> None:
    """One record with the facts that every record has."""
    trained = metrics.get("steps") != 0
    record = {
        "stage": stage,
        "metrics": metrics,
        "settings": {
            "clip": {"frames": 16, "pixels": 112},
            "pretrain": {"epochs": 20 if trained else 0, "batch_size": 8, "labels": False},
            "objective": objective,
        },
        "protocol": protocol,
        "seed": seed,
        "commit": "0123456789abcdef",
        "modified": False,
        "versions": {"python": "3.11.2", "torch": "2.15.0"},
        "device": "cpu (AMD EPYC, 1 thread)",
        "seconds": 12.5 + seed,
        "peak_memory_bytes": 700 * 2**20,
    }
    path.write_text(json.dumps(record))


def rightly(share: float, first: int) -> list[int]:
    """Who of VIDEOS is right: a share of them, one after the other from `first` on."""
    right = [0] * VIDEOS
    for place in range(round(share * VIDEOS)):
        right[(first + place) % VIDEOS] = 1
    return right


def rightly_timed(share: float, first: int) -> dict[str, list[float]]:
    """By column who was right in the probes of time: of the first TIMED videos, the rest unasked.

    Each level below the last has 0.1 less; order has 0.2 less than direction.
    """
    return {
        f"time_{level}_{probe}": [
            *rightly(share - 0.1 * (2 - place) - less, first)[:TIMED],
            *[math.nan] * (VIDEOS - TIMED),
        ]
        for place, level in enumerate(LEVELS)
        for probe, less in (("direction", 0.0), ("order", 0.2))
    }


def time_metrics(timed: dict[str, list[float]]) -> dict:
    """What a record says of these outcomes."""
    videos = {"drawn": 200, "too_short": 20, "tested": TIMED, "alike": 2, "repeated_frames": 0.125}
    probes = {
        level: {
            probe: {"accuracy": sum(timed[f"time_{level}_{probe}"][:TIMED]) / TIMED, "chance": 0.5}
            for probe in ("direction", "order")
        }
        for level in LEVELS
    }
    return {"time_probes": probes, "time_videos": dict.fromkeys(probes[LEVELS[-1]], videos)}


def tested(classes: tuple[str, ...]) -> pd.DataFrame:
    """The test videos: each class has as many as the others, or one more; five make a group."""
    places = range(VIDEOS)
    labels = [classes[place * len(classes) // VIDEOS] for place in places]
    names = [f"{place:02d}.avi" for place in places]
    return pd.DataFrame(
        {"video": names, "label": labels, "group": [f"g{place // 5}" for place in places]}
    )


def write_outcomes(path: Path, outcomes: dict[str, list]) -> None:
    """Outcomes by test video."""
    tested(CLASSES).assign(**outcomes).to_csv(path, index=False)


def write_predictions(path: Path, classes: tuple[str, ...], right: list[int]) -> None:
    """Who is right as said; the rest are taken for the class after, and the last is unreadable."""
    rows = tested(classes).drop(columns="group")
    after = dict(zip(classes, [*classes[1:], classes[0]], strict=True))
    rows["predicted"] = rows["label"].where(pd.Series(right) == 1, rows["label"].map(after))
    if not right[-1]:
        rows.loc[VIDEOS - 1, "predicted"] = ""
    rows.assign(score=0.5).to_csv(path, index=False)


def write_map(path: Path, classes: tuple[str, ...]) -> None:
    """Where the test videos lie: on a circle, with two factors of few values and one on a scale."""
    rows = tested(classes)[["video", "label"]]
    angles = [2 * math.pi * place / VIDEOS for place in range(VIDEOS)]
    rows["shape"] = [("star", "square")[place % 2] for place in range(VIDEOS)]
    rows["motion"] = [("up", "down", "left")[place % 3] for place in range(VIDEOS)]
    rows["size"] = [place / 100 for place in range(VIDEOS)]
    rows["first"] = [math.cos(angle) for angle in angles]
    rows["second"] = [0.5 * math.sin(angle) for angle in angles]
    rows.to_csv(path, index=False)


def judged(share: float) -> dict:
    """Metrics of evaluate: the last level has `share`, each level below 0.05 less."""
    by_level = {level: share - 0.05 * (2 - place) for place, level in enumerate(LEVELS)}
    controls = {f"{level}.still": 0.2 for level in LEVELS}
    controls |= {f"{level}.shuffled": 0.25 for level in LEVELS}
    return {
        "levels": list(LEVELS),
        "chance": 1 / 48,
        "videos": {"train": 190, "val": 10, "test": VIDEOS, "classes": 48, "rejected": REJECTED},
        "map_shares": [0.4, 0.2],
        "retrieval": {
            level: {f"r{k}": min(1.0, value - 0.2 + 0.008 * k) for k in (1, 5, 10, 20, 50)}
            for level, value in by_level.items()
        },
        "mean_average_precision": {level: value / 2 for level, value in by_level.items()},
        "knn": dict(by_level),
        "few_labels": {
            LEVELS[-1]: {
                "1%": {"accuracy": share / 4, "spread_over_draws": 0.01, "labels": 48},
                "10 videos": {"accuracy": share / 2, "spread_over_draws": 0.01, "labels": 480},
            }
        },
        "left_out": {
            level: {
                factor: {"seen": value, "unseen": value - 0.1, "drop": 0.1}
                for factor in ("shape", "motion")
            }
            for level, value in by_level.items()
        },
        "linear": {
            level: {
                factor: {"accuracy": value + 0.02 * place, "chance": chance, "strength": 1.0}
                for place, (factor, chance) in enumerate(CHANCES.items())
            }
            | {"size": {"r2": value / 2}}
            for level, value in (by_level | controls).items()
        },
    }


def weight(ablation: str, place: int, step: int, seed: int) -> float:
    """The weight of a level, shallow to deep: set, all equal, or growing where it is measured."""
    if ablation.startswith("measured"):
        return 0.1 * (place + 1) + 0.01 * step + 0.02 * seed
    return (0.25, 0.5, 1.0)[place] if ablation == "hdc" else 1.0


def log_line(step: int, ablation: str, seed: int) -> dict:
    """One line of the training log."""
    height = 4.0 if ablation == "hdc" else 4.4
    line = {"step": step, "epoch": step / 4, "loss": height / step**0.1 + 0.02 * seed}
    kinds = ("temporal",) if ablation.startswith("coupled") else ("spatial", "temporal")
    levels = LEVELS[-1:] if ablation.startswith("coupled") else LEVELS
    for kind in kinds:
        for place, level in enumerate(levels):
            line[f"{kind}_{level}"] = (height - 0.3 * place) / step**0.15 + 0.02 * seed
            line[f"weight_{kind}_{level}"] = weight(ablation, place, step, seed)
            line[f"spread_{kind}_{level}"] = 0.5 + 0.1 * place + 0.02 * seed
            line[f"rank_{kind}_{level}"] = 10.0 + place
    return line | {"learning_rate": 0.01, "clips_per_second": 40.0, "data_wait_share": 0.1}
