"""Jobs of Snakemake that a cluster runs as one: what is done stays, whatever becomes of the rest.

Snakemake deletes all outputs of a group that fails, and runs all of a group that is started again.
"""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

STARTED = "HDC_STARTED"  # variable: when Snakemake began, by the clock of the file system

Ending = Callable[..., Awaitable[None]]


def note_start(place: Path) -> float:
    """When it is now, by the clock that dates the files of a folder; `place`: a file to write."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("")
    return place.stat().st_mtime


def made_since(files: Iterable[str | Path], start: float) -> bool:
    """Whether all files are there and none is older; stages write theirs whole or not at all."""
    try:
        return all(Path(file).stat().st_mtime >= start for file in files)
    except OSError:
        return False


class Undone(set[Any]):
    """Files that have to be made again, as jobs add theirs; not of a job that was done since."""

    def __init__(self, files: Iterable[Any], start: float) -> None:
        super().__init__(files)
        self.start = start

    def update(self, *outputs: Iterable[Any]) -> None:
        """Add the outputs of jobs, each job's as one collection."""
        super().update(*(files for files in outputs if not made_since(files, self.start)))


def sparing(ending: Ending, start: float) -> Ending:
    """What Snakemake does at the end of a group, but for one that fails job by job.

    Those that were done since `start` end as in a group that does not fail, the others have failed.
    """

    async def end(group: Any, error: bool = False, **options: Any) -> None:
        if not error:
            return await ending(group, **options)
        for level in group.toposorted:
            for job in level:
                failed = not made_since(job.output, start)
                await job.postprocess(error=failed, **{"check_output_mtime": False} | options)

    return end
