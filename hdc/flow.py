"""Optical flow of every video of a prepared data set, kept beside its frames.

Writes <prepared>/flow/store.json and the files of its `shards/`, one for each of the frames'. Only
what is missing, or of frames that have changed since, is computed; killed, it goes on at the file
where it was. A workflow asks for it where a run's views have `input: flow`.
"""

from dataclasses import dataclass
from pathlib import Path

from hdc.data.preparation.flow_shards import compute_flow
from hdc.data.store import MANIFEST
from hdc.data.tracks import track_folder
from hdc.runtime.input_names import FLOW
from hdc.settings.data import Store
from hdc.settings.stage import Stage, StageJob, argument, choice, node


@dataclass(frozen=True, kw_only=True)
class FlowJob(StageJob):
    """What computing the optical flow of a data set is told."""

    data: str = choice()
    prepared: Path = argument("results/data/<data>, made by hdc.prepare; flow/ is made in it")
    store: Store = node()


STAGE = Stage("flow", __doc__, FlowJob)


def main(job: FlowJob) -> None:
    """Compute the optical flow of one data set."""
    videos = compute_flow(job.prepared, job.store)
    manifest = track_folder(job.prepared, FLOW) / MANIFEST
    print(f"{manifest}: optical flow of {videos:,} videos", flush=True)


if __name__ == "__main__":
    STAGE.run(main)
