"""What preparing a data set says at its end about files that are not quite as one might think."""

from collections.abc import Iterator, Sequence
from typing import Any

from hdc.data.preparation.images import CONTAINER
from hdc.settings.data import Store

_SAME_RATE = 1.01  # 29.97 and 30 frames a second are one rate


def remarks(rows: Sequence[dict[str, Any]], store: Store) -> Iterator[str]:
    """A line for each kind of remark that there is on usable videos; `rows` are facts of each."""
    if faulty := [row for row in rows if row["orientation_fault"]]:
        yield (
            "not stored as a player shows them (orientation_fault in files.csv): "
            f"{_counted(faulty, rows)}: {faulty[0]['orientation_fault']}"
        )
    gaps = [row for row in rows if row["container"] == CONTAINER and _gaps(row)]
    if gaps:
        yield (
            "numbers of images have gaps (claimed_frames in files.csv above frames in index.csv): "
            f"{_counted(gaps, rows)}: {_gaps(gaps[0])} missing between the first and the last"
        )
    if untold := [row for row in rows if row["truncation"]]:
        yield (
            "nothing tells whether the file was cut off (truncation in files.csv): "
            f"{_counted(untold, rows)}, {untold[0]['container']}"
        )
    if assumed := [row for row in rows if row["fps_assumed"]]:
        yield (
            "the file tells no frame rate (fps_assumed in files.csv): "
            f"{_counted(assumed, rows)}; {assumed[0]['fps']:g} a second are assumed, "
            "as decoding.assumed_fps says"
        )
    rates = [row["fps"] for row in rows if row["fps"]]
    if store.fps is None and rates and max(rates) > _SAME_RATE * min(rates):
        yield (
            f"frame rates from {min(rates):.4g} to {max(rates):.4g} a second: speed differs by "
            "file; store.fps gives all of them one"
        )


def _gaps(row: dict[str, Any]) -> int:
    return row["claimed_frames"] - row["frames"]


def _counted(some: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> str:
    return f"{len(some):,} of {len(rows):,} videos, such as {some[0]['video']}"
