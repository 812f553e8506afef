"""The videos of a split that labels are learned on and told of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from hdc.data.index import read_index, read_split, rows_by_part
from hdc.data.store import ClipStore
from hdc.data.tracks import opened


@dataclass(frozen=True)
class LabelledVideos:
    """A prepared data set, one of its splits, and the rows of the index in each part of that."""

    index: pd.DataFrame
    split: pd.DataFrame
    store: ClipStore
    rows: dict[str, list[int]]

    @classmethod
    def read(
        cls, prepared: Path, split: int, sees: str, *, validation_apart: bool
    ) -> "LabelledVideos":
        """To train, to test and, with `validation_apart`, to choose on, as the input `sees`.

        Raises InputError if one part is empty.
        """
        index, table = read_index(prepared), read_split(prepared, split)
        rows = rows_by_part(index, table, prepared, validation_apart=validation_apart)
        return cls(index, table, opened(prepared, sees, index.video.tolist()), rows)

    @property
    def labels(self) -> list[str]:
        """Of the split, in the order of their scores."""
        return sorted(set(self.split.label))

    def targets(self) -> Int[np.ndarray, " video"]:
        """The number of each video's label; -1 for a label that the split does not have."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers.get(label, -1) for label in self.index.label])
