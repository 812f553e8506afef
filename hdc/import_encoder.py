"""Brings in an encoder that was trained elsewhere: a checkpoint to an encoder of ours.

Writes encoder.safetensors and, beside it, videos.csv, the list of what it saw. Strictly: every
weight of the backbone comes from the checkpoint, and every weight of that is used or named as not
needed. An ablation takes the encoder over by `encoder: <path>`.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hdc.data.index import read_table, write_table
from hdc.encoders.file import encoder_facts, pretraining_list
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.settings.stage import Stage, StageJob, argument, choice, node

COLUMNS = ["video", "sha256"]


@dataclass(frozen=True, kw_only=True)
class ImportJob(StageJob):
    """What an import is told."""

    scale: str = choice()
    backbone: str = choice()
    ablation: str = choice("hdc")
    checkpoint: Path = argument(
        "a state dict, or what holds one: .safetensors, or a file of torch.save"
    )
    mapping: Path | None = argument(
        "torchvision, torchvision_mvit, torchvision_swin3d, timm_image, or a YAML file "
        "(docs/adding.md); empty: as ours"
    )
    pretrained_on: str = argument("words for the report: which videos, with labels or without")
    videos: Path | None = argument(
        "CSV of what it saw, columns video and sha256 of the file; empty: not known", default=None
    )
    output: Path = argument("<folder>/encoder.safetensors")
    network: dict[str, Any] = node("backbone")


STAGE = Stage("import_encoder", __doc__, ImportJob)


def main(job: ImportJob) -> None:
    """Import one encoder."""
    output = job.output
    require_free(output)
    if not job.pretrained_on.strip():
        raise InputError("pretrained_on: expected words such as Kinetics-400, got nothing")
    videos = read_videos(job.videos)
    # Late: with bad arguments there is no need to wait for torch.
    from hdc.encoders.build import build_to_fill, write_encoder
    from hdc.encoders.foreign_checkpoints import named, read_weights
    from hdc.encoders.naming import read_naming

    naming = read_naming(str(job.mapping or ""))
    weights = read_weights(str(job.checkpoint), naming.weights)
    encoder = build_to_fill(job.network)
    encoder.load_state_dict(named(weights, encoder.state_dict(), naming, where=str(job.checkpoint)))
    facts = imported_facts(job, videos)
    if naming.mean is not None:
        facts["input"] = {"mean": naming.mean, "std": naming.std}
    # The list first: an encoder without its list would look as if it had seen nothing.
    write_table(pretraining_list(output), videos)
    write_encoder(output, encoder, facts)
    unknown = "" if job.videos else "; not known which videos, so no leak can be found"
    words = f"{facts['backbone']} pretrained on {facts['pretrained_on']}{unknown}"
    print(f"{output}: {words}", flush=True)


def imported_facts(job: ImportJob, videos: pd.DataFrame) -> dict[str, Any]:
    """What the encoder's file says about it, but for its input."""
    with job.checkpoint.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "ablation": None,
        # A run may have a network of its own.
        "backbone": job.backbone if job.ablation == "hdc" else job.ablation,
        "build": job.network,
        "imported_from": {"file": job.checkpoint.name, "sha256": sha256},
        "pretrained_on": job.pretrained_on.strip(),
        "seed": None,
        "videos": digest(videos.to_csv(index=False)),
        "videos_known": bool(job.videos),
        "width": job.network.get("width"),
    }


def read_videos(path: Path | None) -> pd.DataFrame:
    """The list of the videos an encoder saw, as hdc.pretrain writes it; empty without a list.

    Raises InputError for a malformed checksum: it would never match, and a leak would go unseen.
    """
    if path is None:
        return pd.DataFrame(columns=COLUMNS, dtype=str)
    if not path.is_file():
        raise InputError(f"videos: expected a CSV file or nothing, got {path}")
    videos = read_table(path, tuple(COLUMNS), made_by="hdc.pretrain")[COLUMNS]
    wrong = videos[~videos.sha256.map(lambda text: bool(re.fullmatch("[0-9a-f]{64}", text)))]
    if len(wrong):
        raise InputError(
            f"{path}: expected the sha256 of each file, 64 digits of 0-9 and a-f, "
            f"found {wrong.sha256.iloc[0] or 'none'} of {wrong.video.iloc[0]}"
        )
    return videos


def require_free(output: Path) -> None:
    """Refuse to write over anything but an encoder that was imported to the same place before."""
    if output.name != "encoder.safetensors":
        raise InputError(f"output: expected <folder>/encoder.safetensors, got {output}")
    beside = pretraining_list(output)
    ours = output.is_file() and encoder_facts(output).get("ablation") is None
    if not ours and (output.exists() or beside.exists()):
        taken = output if output.exists() else beside
        raise InputError(f"output: expected a folder of its own, found {taken}; choose another")


if __name__ == "__main__":
    STAGE.run(main)
