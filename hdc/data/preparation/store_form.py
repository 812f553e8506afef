"""Which form of the store a data set gets: raw frames as long as they fit."""

import math
from collections.abc import Sequence

import pandas as pd

from hdc.data.preparation.container import Header, RejectedVideo
from hdc.data.preparation.decode import stored_size
from hdc.data.preparation.pieces import Span
from hdc.data.preparation.sandbox import Decoder
from hdc.data.store import H264, RAW
from hdc.settings.data import Data, Decoding, Store

_SAMPLE = 100  # files whose headers tell the size of a whole data set
_GIB = 2**30


def choose_form(listed: pd.DataFrame, data: Data, decoding: Decoding, store: Store) -> str:
    """The form of the store: as the settings say, or raw as long as all of it fits `raw_gib`.

    The size is estimated from the headers of files spread evenly over the list, so that every job
    of a data set chooses alike.
    """
    if store.form != "auto":
        return store.form
    if data.synthetic is not None:
        made = data.synthetic
        size = 3.0 * made.frames * store.short_side**2 * len(listed)
    else:
        size = _mean_raw_size(listed[listed.path != ""], data, decoding, store) * len(listed)
    form = RAW if size <= store.raw_gib * _GIB else H264
    print(f"store: {form}; as raw frames about {size / _GIB:.1f} GiB", flush=True)
    return form


def _mean_raw_size(files: pd.DataFrame, data: Data, decoding: Decoding, store: Store) -> float:
    """Mean bytes of what a file gives as raw frames, from a sample of headers."""
    sizes = []
    with Decoder(decoding, store, RAW, data.images) as decoder:
        for _, file in files.iloc[:: math.ceil(max(1, len(files)) / _SAMPLE)].iterrows():
            try:
                header = decoder.header(file.path)
            except RejectedVideo:
                continue
            if header.width and header.height:
                width, height = stored_size(
                    header.width, header.height, short_side=store.short_side
                )
                frames = _stored_frames(header, file.get("spans"), decoding, store)
                sizes.append(3.0 * frames * width * height)
    return sum(sizes) / max(1, len(sizes))


def _stored_frames(
    header: Header, spans: Sequence[Span] | None, decoding: Decoding, store: Store
) -> float | int:
    """About how many frames are stored of a file, or of some spans of it."""
    fps = header.fps or decoding.assumed_fps
    frames = header.claimed_frames or header.claimed_seconds * fps
    if spans is not None:
        frames = sum(end - start for start, end in spans) * fps
    return frames if store.fps is None else frames / fps * store.fps
