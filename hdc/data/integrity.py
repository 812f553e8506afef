"""Whether a prepared data set is still as it was prepared: every byte of it, or a sample."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hdc.data.remedy import prepare_again, remedy_of
from hdc.data.store import (
    MANIFEST,
    ClipStore,
    list_faults,
    read_manifest,
    size_faults,
    stored_crc32,
)
from hdc.runtime.errors import InputError
from hdc.runtime.input_names import TRACKS
from hdc.runtime.progress import progress, threads
from hdc.runtime.sealed import read_sealed
from hdc.runtime.seeding import generator

# Videos that a training looks at: 0.6 GB of Kinetics-400 as raw frames, seconds on any disk. A disk
# that has spoilt 1 video in 10 is found with a probability of 97 %, and every run and seed draws
# other videos.
SAMPLE = 32


def verify(folder: str | Path) -> bool:
    """Compare all of a prepared data set with its checksums, and print a line for each fault.

    Its tracks, such as optical flow, too.

    Lists, facts and every byte of the frames are read; nothing is changed. Returns whether all is
    as it was prepared.
    """
    folder = Path(folder)
    try:
        manifest = read_manifest(folder)
    except InputError as error:
        print(error, flush=True)
        return False
    videos, size = manifest["videos"], sum(shard["bytes"] for shard in manifest["shards"])
    count = 0
    with progress([], total=len(videos), unit="video", what="checking") as bar:
        for fault in all_faults(folder, manifest, on_video=bar.update):
            count += 1
            bar.write(fault)
    verdict = f"{count} fault{'s'[: count != 1]}" if count else "all as it was prepared"
    print(f"{folder}: checked {len(videos):,} videos, {size / 1e9:.1f} GB: {verdict}", flush=True)
    tracks = [folder / track for track in TRACKS if (folder / track / MANIFEST).is_file()]
    return all([not count, *map(verify, tracks)])


def all_faults(
    folder: Path, manifest: Mapping[str, Any], *, on_video: Callable[[], Any]
) -> Iterator[str]:
    """A line for each fault: what was expected, what was found, what to do."""
    remedy = remedy_of(folder, manifest)
    if not manifest.get("lists") and "of" not in manifest:
        yield f"{folder}: expected checksums, found an older preparation without; {remedy}"
        return
    yield from list_faults(folder, manifest)
    yield from size_faults(folder, manifest)
    stored = defaultdict(list)
    for video in manifest["videos"]:
        stored[video["shard"]].append(video)
    for number, shard in enumerate(manifest["shards"]):
        path = folder / shard["file"]
        try:
            read_sealed(path.with_suffix(".json"), remedy=remedy)
        except FileNotFoundError:
            yield f"{path.with_suffix('.json')}: expected a file, found none; {remedy}"
        except InputError as error:
            yield str(error)
        for video, fault in frame_faults(path, stored[number], on_video=on_video):
            yield f"{path}: {video}: expected the frames that were prepared, {fault}; {remedy}"


def frame_faults(
    path: Path, stored: Sequence[Mapping[str, Any]], *, on_video: Callable[[], Any] = lambda: None
) -> Iterator[tuple[str, str]]:
    """The videos in a file of frames whose bytes have changed, each with what was found.

    `stored` hold video, offset, bytes and crc32.
    """
    if not path.is_file():  # said once, not for every video
        return
    with _opened(path) as file, ThreadPoolExecutor(threads()) as pool:
        checked = pool.map(lambda video: _fault(file, video), stored)
        for video, fault in zip(stored, checked, strict=True):
            on_video()
            if fault:
                yield video["video"], fault


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The descriptor of a file to read at any place, by several threads."""
    file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def _fault(file: int, video: Mapping[str, Any]) -> str:
    """What is wrong with the stored bytes of a video; nothing if they are as they were."""
    try:
        return "" if stored_crc32(file, video) == video["crc32"] else "found others"
    except OSError as error:  # a bad disk
        return f"found {error.strerror}"


def check_sample(store: ClipStore, rows: Sequence[int], *, seed: int) -> int:
    """Compare the frames of a few of the videos `rows`, drawn by `seed`, with their checksums.

    Returns how many: `SAMPLE` or all of fewer; none of a data set that an older version prepared.
    Prints how many. Raises InputError for a video whose frames have changed.
    """
    drawn = generator(seed, "sample of stored frames").permutation(len(rows))[:SAMPLE]
    videos = [store.videos[rows[place]] for place in sorted(drawn)]
    if not all("crc32" in video for video in videos):
        print(f"{store.folder}: stored frames not checked: an older preparation without checksums")
        return 0
    for video in videos:
        path = store.folder / store.manifest["shards"][video["shard"]]["file"]
        for name, fault in frame_faults(path, [video]):
            raise InputError(
                f"{path}: {name}: expected the frames that were prepared, {fault}; hdc verify "
                f"{store.folder} looks at every video; {prepare_again(store.folder)}"
            )
    print(f"{store.folder}: {len(videos)} of {len(rows)} videos checked: stored frames are whole")
    return len(videos)
