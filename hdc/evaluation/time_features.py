"""Features of some videos played otherwise: what probes of time are fitted on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hdc.data.batches import ClipBatch
from hdc.data.frame_orders import in_order
from hdc.data.store import ClipStore
from hdc.data.temporal_crops import span
from hdc.data.time_versions import Looks, drawn_videos, long_enough
from hdc.data.whole_videos import video_batches
from hdc.encoders.clip_features import Shown, features_of
from hdc.settings.evaluation import TimeProbes
from hdc.settings.schema import Clip, Inference

Tables = dict[str, np.ndarray]  # by name, float32 (video, number)


@dataclass(frozen=True)
class TimeFeatures:
    """Tables with the rows of the index that they are of, and what is to be known about these.

    Facts: how many videos were `drawn`, the `strides`, and for each of the `probes` its `rows`,
    those `alike` that look the same in all of its versions, and the share of `repeated_frames`.
    """

    tables: list[tuple[list[int], Tables]]
    facts: dict[str, Any]


@dataclass(frozen=True)
class TimeEmbedding:
    """An encoder, and how it is shown clips of a store; `frames`: those of the same videos.

    They are another store where the encoder sees optical flow.
    """

    encoder: Any
    store: ClipStore
    frames: ClipStore
    clip: Clip
    inference: Inference
    workers: int

    def features(self, probes: TimeProbes) -> TimeFeatures:
        """Of a level `l`: `l.reversed` and `l.swapped`, `l.stride<n>` for every stride.

        Videos too short for the clips of a probe are left out of it, as a looped one would jump.
        """
        drawn, strides = drawn_videos(self.store, probes.videos), list(probes.strides)
        usual, faster = (
            long_enough(self.store, drawn, span(frames=self.clip.frames, stride=stride))
            for stride in (self.clip.stride, strides[-1])
        )
        otherwise, of_order = self._reordered(usual)
        sped, of_speed = self._sped(faster, strides)
        facts = {"drawn": len(drawn), "strides": strides, "probes": of_order | of_speed}
        return TimeFeatures([(usual, otherwise), (faster, sped)], facts)

    def _reordered(self, rows: list[int]) -> tuple[Tables, dict[str, dict[str, Any]]]:
        """The usual clips with their frames in another order."""
        clips = self.inference.clips
        looks = Looks(["reversed", "swapped"], clips)
        tables = self._tables(
            self._watched(looks, rows, self.clip, 0, "order of frames"),
            lambda batch: {
                f".{order}": in_order(batch, order, self.store, clips=clips)
                for order in looks.orders
            },
        )
        return tables, {
            probe: _facts(rows, looks.alike[order], looks.repeated_frames)
            for probe, order in (("direction", "reversed"), ("order", "swapped"))
        }

    def _sped(
        self, rows: list[int], strides: list[int]
    ) -> tuple[Tables, dict[str, dict[str, Any]]]:
        """Clips of several strides with the same middle."""
        longest = span(frames=self.clip.frames, stride=strides[-1])
        looks = {stride: Looks(["still"], self.inference.clips) for stride in strides}
        tables: Tables = {}
        for stride, seen in looks.items():
            clip = replace(self.clip, stride=stride)
            batches = self._watched(seen, rows, clip, longest, f"stride {stride}")
            name = f".stride{stride}"
            tables |= self._tables(batches, lambda batch, name=name: {name: batch.parts})
        # All frames of the longest clip alike: then those in between are, too.
        alike = looks[strides[-1]].alike["still"]
        return tables, {"speed": _facts(rows, alike, looks[strides[0]].repeated_frames)}

    def _watched(
        self, looks: Looks, rows: list[int], clip: Clip, window: int, what: str
    ) -> Iterator[ClipBatch]:
        """Batches of clips for the encoder, whose frames are looked at."""
        batches = self._batches(self.store, rows, clip, window, what)
        if self.frames is self.store:
            pairs = ((batch, batch) for batch in batches)
        else:
            pictures = self._batches(self.frames, rows, clip, window, f"{what}, looked at")
            pairs = zip(batches, pictures, strict=True)
        for batch, seen in pairs:
            looks.at(seen.parts)
            yield batch

    def _batches(
        self, store: ClipStore, rows: list[int], clip: Clip, window: int, what: str
    ) -> Iterator[ClipBatch]:
        return video_batches(
            store,
            rows,
            clip=clip,
            inference=self.inference,
            device=next(self.encoder.parameters()).device,
            workers=self.workers,
            what=what,
            window=window,
        )

    def _tables(self, batches: Iterator[ClipBatch], shown: Callable[[ClipBatch], Shown]) -> Tables:
        size = {"pixels": self.clip.pixels, "clips_each": self.inference.clips}
        return features_of(self.encoder, batches, shown, **size)


def _facts(rows: list[int], alike: list[bool], repeated_frames: float) -> dict[str, Any]:
    same = [row for row, looks in zip(rows, alike, strict=True) if looks]
    return {"rows": rows, "alike": same, "repeated_frames": repeated_frames}
