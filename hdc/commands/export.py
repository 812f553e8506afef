"""Makes a folder of a run's encoder to give away, in the layout that the Hugging Face hub expects.

model.safetensors is the run's encoder.safetensors, byte for byte; network.pt2 its network, which
plain torch runs; config.json what both need; README.md a model card; videos.csv the names and
checksums of the videos that it saw.
"""

import io
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from hdc.data.flow_bytes import BOUND
from hdc.data.normalization import MEAN, STANDARD_DEVIATION
from hdc.encoders.file import (
    ENCODER,
    EXPORTED,
    encoder_facts,
    known_clip,
    seen_by,
)  # fmt: skip
from hdc.reporting.model_card import model_card, results_of
from hdc.runtime.atomic_files import write_bytes
from hdc.runtime.errors import InputError
from hdc.runtime.input_names import FLOW
from hdc.study.record_rules import read_record

NETWORK, CONFIG, CARD = "network.pt2", "config.json", "README.md"
RECORD, LISTING = "pretrain.json", "videos.csv"
FILES = (EXPORTED, NETWORK, LISTING, CARD, CONFIG)


def export(run: Path, folder: Path, *, license: str | None = None) -> None:  # noqa: A002
    """Write the folder of a run's encoder; an earlier export in its place is replaced.

    Each file is whole or not there, and config.json comes last.

    `license`: of the videos that it was trained on, in the words of who gives it away. Raises
    InputError if the run is not finished, the folder holds anything else, or the network cannot be
    put into a file.
    """
    require_finished(run)
    require_free(folder)
    path = run / ENCODER
    facts = encoder_facts(path)
    clip, _ = known_clip(path, facts)
    if not clip:
        raise InputError(f"{run}/config.yaml: expected the sizes of clips, found none; copy it too")
    record, results = record_of(run), results_of(run)

    import torch  # late: with bad input there is no need to wait for it

    from hdc.encoders.build import read_encoder
    from hdc.encoders.network_file import network_bytes

    encoder = read_encoder(path, facts["build"])
    channels = 2 if seen_by(facts) == FLOW else 3
    network = network_bytes(encoder, (channels, clip["frames"], clip["pixels"], clip["pixels"]))
    levels = {name: level._asdict() for name, level in encoder.levels.items()}
    config = config_of(facts, clip, levels) | {"torch_version": torch.__version__.split("+")[0]}
    listing = (run / LISTING).read_bytes()
    videos = len(pd.read_csv(io.BytesIO(listing), dtype=str, keep_default_na=False))
    card = model_card(config, record, results, license=license, videos=videos)
    text = json.dumps(config, indent=2) + "\n"
    (folder / CONFIG).unlink(missing_ok=True)
    contents = (path.read_bytes(), network, listing, card.encode(), text.encode())
    for name, content in zip(FILES, contents, strict=True):
        write_bytes(folder / name, content)
    print(f"{folder}: {', '.join(FILES)}; {len(results)} results", flush=True)
    if license is None:
        print("no licence of the data is stated: --license states it", flush=True)


def record_of(run: Path) -> dict[str, Any]:
    """The record of a run's pretraining; raises InputError if it is damaged."""
    try:
        return read_record(run / RECORD)
    except InputError as error:
        raise InputError(f"{run / RECORD}: {error}; run it again") from error


def require_finished(run: Path) -> None:
    """Refuse what is no folder of a finished run's encoder."""
    for name in (ENCODER, RECORD, LISTING):
        if not (run / name).is_file():
            raise InputError(
                f"{run}: expected the folder of a finished run, found no {name} in it; it is such "
                "as results/demo/runs/r3d18/hdc/seed0/synthetic-split1"
            )


def require_free(folder: Path) -> None:
    """Refuse a folder that holds anything but an earlier export, or a part of one."""
    if not folder.exists():
        return
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [folder.name]
    others = [name for name in names if name not in FILES]
    if others or (names and not _is_ours(folder / EXPORTED)):
        raise InputError(
            f"{folder}: expected a new or empty folder, or one that hdc export made, found "
            f"{(others or names)[0]} in it; choose another"
        )


def _is_ours(path: Path) -> bool:
    try:
        return bool(encoder_facts(path))
    except InputError:
        return False


def config_of(
    facts: dict[str, Any], clip: dict[str, int], levels: dict[str, dict[str, int]]
) -> dict[str, Any]:
    """What config.json says, but for the version of torch."""
    from hdc.data.augment import MOTION_UNIT

    sees = seen_by(facts)
    config = {
        "library_name": "hdc",
        "hdc_version": version("hdc"),
        **{key: facts.get(key) for key in ("backbone", "ablation", "seed", "pretrained_on")},
        "build": facts["build"],
        "sees": sees,
        "clip": clip,
        "levels": levels,
    }
    if sees == FLOW:
        flow = {"unit_pixels": MOTION_UNIT, "bound_pixels": BOUND}
        return config | {"flow": flow}
    return config | {"mean": MEAN, "std": STANDARD_DEVIATION}
