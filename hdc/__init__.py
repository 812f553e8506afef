"""Self-supervised video representation learning, from video files to tables."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def load_encoder(path: str | Path) -> "torch.nn.Module":
    """The encoder in an `encoder.safetensors`, trained here or imported, in evaluation mode.

    `path` may be its folder, that of a run or one that `hdc export` wrote. The encoder takes RGB
    clips as float (batch, 3, time, height, width), normalized as `to_clips` does, also where it was
    trained on another normalization: it converts them itself. It gives a dict from level to
    features (batch, channel, time, height, width), shallow to deep. `levels` has the channels and
    strides of each level, `facts` what the file says about the encoder, such as its videos and the
    size of the clips that it was trained on.
    The weights need no other file, and nothing in the file is executed.
    Raises InputError if there is no encoder.
    """
    from hdc.encoders.build import read_encoder
    from hdc.encoders.file import encoder_facts, encoder_file

    path = encoder_file(path)
    facts = encoder_facts(path)
    encoder = read_encoder(path, facts["build"])
    encoder.facts = facts
    return encoder


def to_clips(frames: Any, *, pixels: int, crop: float = 1.0) -> "torch.Tensor":
    """Frames as an encoder takes them: float (batch, 3, time, pixels, pixels), normalized.

    `frames`: RGB of type uint8, a tensor or an array (batch, time, height, width, 3). The central
    square, with a side of `crop` of the shorter side, is resized to `pixels` x `pixels`, as
    `hdc.embed` does it. Raises InputError for other frames.
    """
    import torch

    from hdc.data.augment import augment
    from hdc.data.draws import squares
    from hdc.runtime.errors import InputError

    frames = torch.as_tensor(frames)
    if frames.dtype != torch.uint8 or frames.ndim != 5 or frames.shape[-1] != 3:
        raise InputError(
            "frames: expected uint8 (batch, time, height, width, 3), "
            f"got {frames.dtype} {tuple(frames.shape)}"
        )
    return augment(frames, squares(*frames.shape[2:4], crop) * len(frames), pixels=pixels)
