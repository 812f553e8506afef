"""A folder of videos and an encoder to a file of vectors: no study and no workflow.

Each video is decoded in full in a process of its own and rejected, with the reason, if anything is
wrong with it. Killed, the work goes on where it was; the output appears when it is whole. Videos
that are rejected are listed in <output>.rejected.csv and change nothing about the exit status, as
long as one is usable.
"""

import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from hdc.commands.folder_parts import PICTURE, Embedding, Part, read_notes, write_parquet
from hdc.data.index import write_table
from hdc.data.listing import require_folder
from hdc.data.preparation.folder import list_folder
from hdc.data.preparation.source_files import size_and_time
from hdc.encoders.file import CLIP, encoder_facts, encoder_file, known_clip, seen_by
from hdc.runtime.digest import digest
from hdc.runtime.errors import InputError
from hdc.runtime.inputs import file_digest
from hdc.runtime.lock import Lock
from hdc.runtime.patterns import compiled
from hdc.runtime.progress import progress
from hdc.runtime.signals import stopping_at_once
from hdc.settings.data import Decoding, Store
from hdc.settings.schema import Clip, Inference

PART_VIDEOS, PART_BYTES = 32, 2**30  # of files whose frames are on the disk at a time, at most
EVERY_FILE = "(?s:.*)"
CONF = Path(__file__).parents[1] / "conf"
VERSION = 1  # raised when the same settings make other vectors


@dataclass(frozen=True, kw_only=True)
class FolderJob:
    """What embedding a folder is told; a size that is None is the encoder's own, or usual."""

    encoder: Path
    folder: Path
    output: Path
    page: Path | None = None
    pattern: str | None = None
    frames: int | None = None
    stride: int | None = None
    pixels: int | None = None
    clips: int | None = None
    crop: float | None = None


def embed_folder(job: FolderJob) -> None:
    """Write the vectors of every usable video below a folder, and the page if one is asked for.

    Raises InputError for bad input, and Stopped if a signal asks to stop.
    """
    with stopping_at_once("what is done is kept, run the same again to go on"):
        _embed(job)


def _embed(job: FolderJob) -> None:
    require_outputs(job)
    path = encoder_file(job.encoder)
    facts = encoder_facts(path)
    videos = listed(job)
    clip, inference = clip_settings(job, path, facts)
    work = Path(f"{job.output}.partial")
    lock = Lock(work / "lock")
    by = embedding(path, facts, clip, inference)
    parts = in_parts(videos, work)
    with progress([], total=len(videos), unit="video", what="embedding") as bar:
        for part in parts:
            if part.notes(by.key) is None:
                part.make(by, bar.update)
            else:
                bar.update(len(part.videos))
    rejected = [video for part in parts for video in read_notes(part.file)["rejected"]]
    if len(rejected) == len(videos):
        raise InputError(
            f"{job.folder}: expected at least one usable video, found none among "
            f"{len(videos):,} files; the first: {rejected[0][0]}: {rejected[0][1]}"
        )
    write_outputs(job, parts, by, rejected)
    lock.release()
    shutil.rmtree(work)


def require_outputs(job: FolderJob) -> None:
    """Refuse outputs of another kind, among the videos, or in place of what is not ours."""
    require_folder(job.folder)
    for path, suffix, name in ((job.output, ".parquet", "output"), (job.page, ".html", "page")):
        if path is None:
            continue
        if path.suffix != suffix:
            raise InputError(f"--{name}: expected a file that ends in {suffix}, got {path}")
        if path.resolve().is_relative_to(job.folder.resolve()):
            raise InputError(
                f"--{name}: expected a file outside of the folder of videos, {job.folder}, "
                f"got {path}"
            )
    try:
        ours = not job.output.exists() or bool(read_notes(job.output))
    except (OSError, pa.ArrowInvalid):
        ours = False
    if not ours:
        raise InputError(
            f"--output: expected a new file or one that hdc embed wrote, found {job.output}; "
            "choose another"
        )


def listed(job: FolderJob) -> pd.DataFrame:
    """The files that are to be embedded: video, label and path, sorted."""
    try:
        found = list_folder(job.folder, job.pattern or EVERY_FILE, labelled=False)
    except InputError as error:
        raise InputError(str(error).replace("data.folder.pattern", "--pattern")) from None
    return found[["video", "label", "path"]]


def in_parts(videos: pd.DataFrame, work: Path) -> list[Part]:
    """So few files a part that their frames find room: one at least, however large it is."""
    starts, size = [0], 0
    for place, path in enumerate(videos.path):
        size += size_and_time(path)[0]
        if place > starts[-1] and (place - starts[-1] == PART_VIDEOS or size > PART_BYTES):
            starts.append(place)
            size = size_and_time(path)[0]
    ends = [*starts[1:], len(videos)]
    return [
        Part(work / f"{number:05d}-of-{len(starts):05d}", videos[start:end])
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), start=1)
    ]


def clip_settings(job: FolderJob, path: Path, facts: dict[str, Any]) -> tuple[Clip, Inference]:
    """Which clips of a video are shown to the encoder; says aloud what, and by whose word.

    Raises InputError for clips that the network does not take.
    """
    (known, whose), usual = known_clip(path, facts), conf("scale/paper.yaml")["clip"]
    given = {key: getattr(job, key) for key in CLIP if getattr(job, key) is not None}
    clip = Clip(**usual | known | given)
    inference = Inference(**conf("inference/default.yaml"))
    asked = {"clips": job.clips, "crop": job.crop}
    inference = replace(inference, **{key: value for key, value in asked.items() if value})
    whose = whose or "as is usual: nothing tells what it was trained on"
    whose = "as asked for" if len(given) == len(CLIP) else whose
    print(
        f"{path}: {inference.clips} clips a video, each of {clip.frames} frames, {clip.stride} "
        f"apart, of {clip.pixels} x {clip.pixels} pixels, {whose}",
        flush=True,
    )
    from hdc.encoders.clip_trial import try_clip  # late: with bad input there is no need for torch

    if problem := try_clip(facts["build"], clip.frames, clip.pixels)["problem"]:
        raise InputError(problem.replace("clip.", "--"))
    return clip, inference


def embedding(path: Path, facts: dict[str, Any], clip: Clip, inference: Inference) -> Embedding:
    """The encoder on its device, and what it is shown."""
    from hdc.encoders.build import read_encoder
    from hdc.runtime.fabric import laid_out, start_fabric

    fabric = start_fabric("32-true")
    encoder = laid_out(read_encoder(path, facts["build"]), fabric.device)
    levels = {level: facts.channels for level, facts in encoder.levels.items()}
    decoding, store = Decoding(**conf("decoding/default.yaml")), conf("store/default.yaml")
    side = max(store["short_side"], math.ceil(clip.pixels / inference.crop))
    store = Store(**store | {"short_side": side})
    made = (VERSION, file_digest(path), clip, inference, decoding, side)
    return Embedding(
        fabric.setup_module(encoder), levels, seen_by(facts), clip, inference, decoding, store,
        digest(repr(made)),
    )  # fmt: skip


def conf(name: str) -> dict[str, Any]:
    """The content of a file of settings of ours."""
    return yaml.safe_load((CONF / name).read_text())


def write_outputs(
    job: FolderJob, parts: list[Part], by: Embedding, rejected: list[list[str]]
) -> None:
    """Write vectors, list of rejected videos and page; say what was written."""
    tables = [pq.read_table(part.file) for part in parts]
    table = pa.concat_tables([part.replace_schema_metadata(None) for part in tables])
    left_out = [] if labels_given(job) else ["label"]
    notes = {
        "clip": {key: getattr(by.clip, key) for key in CLIP},
        "clips_per_video": by.inference.clips,
        "crop": by.inference.crop,
        "encoder": file_digest(encoder_file(job.encoder)),
        "levels": list(by.levels),
        "rejected": len(rejected),
    }
    list_path = job.output.with_suffix(".rejected.csv")
    list_path.unlink(missing_ok=True)
    if rejected:
        write_table(list_path, pd.DataFrame(rejected, columns=["video", "reason"]))
    if job.page is not None:
        from hdc.reporting.page.neighbors import write_page

        write_page(
            job.page,
            table.drop_columns(left_out),
            encoder=str(job.encoder),
            level=list(by.levels)[-1],
        )
        print(f"{job.page}: nearest neighbors", flush=True)
    write_parquet(job.output, table.drop_columns([*left_out, PICTURE]), notes)
    bad = f"; {len(rejected):,} rejected, listed with the reasons in {list_path}"
    words = f"{len(table):,} videos, {', '.join(by.levels)}"
    print(f"{job.output}: {words}{bad if rejected else ''}", flush=True)


def labels_given(job: FolderJob) -> bool:
    """Whether the pattern tells labels."""
    return job.pattern is not None and "label" in compiled(job.pattern).groupindex
