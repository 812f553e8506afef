"""Nearest neighbors in blocks: time and memory at full size, and time against scikit-learn at once.

Looks for the 50 nearest of random features in float32. The peak is that of the whole process,
libraries and features included. Then, on a fifth of the gallery and a tenth of the queries, `hdc`
and plain scikit-learn, which is handed the whole normalized gallery, take turns; both must find the
same. Prints what they take and last `peak_gib <x> seconds <s> ratio <hdc / scikit-learn>`, the
latter the median over pairs.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from parts.command_line import CommandLine, whole
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from hdc.evaluation.retrieval import nearest
from hdc.runtime.record import peak_memory

COUNT, ROUNDS = 50, 3
TOLERANCE = 1e-6  # of a cosine: scikit-learn's unit vectors are rounded to float32
Found = tuple[np.ndarray, np.ndarray]


def features(rows: int, channels: int, seed: int) -> np.ndarray:
    """Random features, made in place: a temporary copy would be the peak."""
    table = np.empty((rows, channels), np.float32)
    np.random.default_rng(seed).standard_normal(dtype=np.float32, out=table)
    return table


def at_once(queries: np.ndarray, gallery: np.ndarray) -> Found:
    """The same search by scikit-learn alone."""
    search = NearestNeighbors(n_neighbors=COUNT, algorithm="brute").fit(normalize(gallery))
    distances, rows = search.kneighbors(normalize(queries))
    return 1 - distances**2 / 2, rows


def in_blocks(queries: np.ndarray, gallery: np.ndarray) -> Found:
    """The search of `hdc`."""
    return nearest(queries, gallery, count=COUNT)


def timed(search: Callable[..., Found], *tables: np.ndarray) -> tuple[float, Found]:
    """Seconds of a search and what it found."""
    started = time.perf_counter()
    neighbors = search(*tables)
    return time.perf_counter() - started, neighbors


def ratio(queries: np.ndarray, gallery: np.ndarray) -> float:
    """Seconds of `hdc` over those of scikit-learn, the median over pairs; prints both."""
    pairs = []
    for _ in range(ROUNDS):
        ours, (similarity, rows) = timed(in_blocks, queries, gallery)
        theirs, (expected, expected_rows) = timed(at_once, queries, gallery)
        if not np.allclose(similarity, expected, rtol=0, atol=TOLERANCE):
            raise SystemExit("the two searches do not find the same")
        pairs.append((ours, theirs))
    same = np.mean(rows == expected_rows)
    size = f"{len(gallery)} entries, {len(queries)} queries"
    print(f"{size}: same cosines within {TOLERANCE}, same row at {same:.4%} of ranks")
    for name, seconds in zip(("hdc", "scikit-learn"), zip(*pairs, strict=True), strict=True):
        print(f"{name}: {statistics.median(seconds):.2f} s", flush=True)
    return statistics.median(ours / theirs for ours, theirs in pairs)


if __name__ == "__main__":
    command_line = CommandLine(__doc__)
    least = whole(5 * COUNT)  # a fifth still has the 50
    about = "features of the gallery, at least 250"
    command_line.size("entries", about, full=1_000_000, quick=20_000, kind=least)
    command_line.size("queries", "features that are looked for", full=10_000, quick=300)
    command_line.size("channels", "of a feature", full=512, quick=16)
    sizes = command_line.read()
    gallery = features(sizes.entries, sizes.channels, 0)
    queries = features(sizes.queries, sizes.channels, 1)
    seconds, _ = timed(in_blocks, queries, gallery)
    peak = peak_memory() / 2**30
    print(f"{sizes.entries} entries, {sizes.queries} queries: {seconds:.1f} s, {peak:.2f} GiB")
    part = ratio(queries[: max(1, sizes.queries // 10)], gallery[: max(1, sizes.entries // 5)])
    print(f"peak_gib {peak:.2f} seconds {seconds:.1f} ratio {part:.2f}")
