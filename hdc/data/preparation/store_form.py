"""Which form of the store a data set gets: raw frames as long as they fit."""

import math

import pandas as pd

from hdc.data.preparation.container import RejectedVideo
from hdc.data.preparation.decode import stored_size
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
        size = _mean_raw_size(listed.path[listed.path != ""], data, decoding, store) * len(listed)
    form = RAW if size <= store.raw_gib * _GIB else H264
    print(f"store: {form}; as raw frames about {size / _GIB:.1f} GiB", flush=True)
    return form


def _mean_raw_size(paths: pd.Series, data: Data, decoding: Decoding, store: Store) -> float:
    """Mean bytes of a video as raw frames, from a sample of headers."""
    sizes = []
    with Decoder(decoding, store, RAW, data.images) as decoder:
        for path in paths.iloc[:: math.ceil(max(1, len(paths)) / _SAMPLE)]:
            try:
                header = decoder.header(path)
            except RejectedVideo:
                continue
            if header.width and header.height:
                width, height = stored_size(
                    header.width, header.height, short_side=store.short_side
                )
                frames = header.claimed_frames or header.claimed_seconds * (header.fps or 25)
                sizes.append(3.0 * frames * width * height)
    return sum(sizes) / max(1, len(sizes))
