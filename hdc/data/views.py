"""The views of a batch: augmented on the device, and drawn as the network sees them."""

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn

from hdc.data.augment import Change, augment, room
from hdc.data.batches import ClipBatch, VideoBatches
from hdc.data.normalization import MEAN, STANDARD_DEVIATION
from hdc.runtime.atomic_files import write_bytes
from hdc.runtime.sending import sent
from hdc.settings.objective import View

SHOWN_VIDEOS, SHOWN_FRAMES, SHOWN_PIXELS = 4, 8, 64  # of views.png; readable and small


def augmented(
    batch: Mapping[str, ClipBatch],
    *,
    pixels: int,
    device: torch.device,
    change: Change | None = None,
) -> dict[str, Float[Tensor, "video _ time pixels pixels"]]:
    """The views of a batch by name, augmented on `device`; `change`: as in `augment`.

    Those of as many channels lie one behind the other in memory, for a network that sees them as
    one batch.
    """
    views: dict[str, Tensor] = {}
    for channels in {view.channels for view in batch.values()}:
        alike = {name: view for name, view in batch.items() if view.channels == channels}
        first = next(iter(alike.values()))
        videos = len(first.draws)
        size = (videos * len(alike), first.frames, pixels)
        together = room(*size, device, channels=channels)
        views |= zip(alike, together.split(videos), strict=True)
    for name, view in batch.items():
        parts = [part.to(device) for part in view.parts]
        augment(parts, view.draws, pixels=pixels, change=change, into=views[name])
        _vary(views[name], view)
    return views


def variants_of(
    batch: Mapping[str, ClipBatch], views: Mapping[str, View], *, device: torch.device
) -> dict[str, Int[Tensor, " video"]]:
    """How the clips of each view that varies were varied, on `device`."""
    return {
        name: sent(torch.tensor(clips.variants), device)
        for name, clips in batch.items()
        if views[name].vary is not None
    }


def _vary(clips: Float[Tensor, "clip channels time side side"], view: ClipBatch) -> None:
    """Change the pictures of each clip in place, as its variant says."""
    if view.changed is None:
        return
    variants = torch.tensor(view.variants)
    for variant in range(1, int(variants.max()) + 1):  # 0 is the clip as it is
        rows = sent((variants == variant).nonzero().flatten(), clips.device)
        clips[rows] = view.changed(clips[rows], variant)


def see_views(batches: VideoBatches, views: Mapping[str, View], *, path: Path) -> None:
    """Draw the first batch as the network sees it: a row a video and view, frames left to right."""
    batch, pixels = batches.epoch(0, views=views)[0](), batches.clip.pixels
    rows = []
    for video in range(min(SHOWN_VIDEOS, batches.batch_size // batches.part[1])):
        for view in batch.values():
            one = view.only(video)
            clip = augment(one.parts, one.draws, pixels=pixels)
            _vary(clip, one)
            rows.append(_strip(clip[0]))
    picture = Image.fromarray((torch.cat(rows) * 255).round().byte().numpy())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def _colour_wheel(
    flow: Float[Tensor, "time 2 side side"],
) -> Float[Tensor, "time 3 side side"]:
    """Optical flow as colours in 0 to 1: hue says where to, white is no motion."""
    from torchvision.utils import flow_to_image

    return flow_to_image(flow).float() / 255


def _strip(clip: Float[Tensor, "_ time side side"]) -> Float[Tensor, "height width 3"]:
    """Frames of a clip side by side, in 0 to 1, with a white line below."""
    chosen = torch.linspace(0, clip.shape[1] - 1, SHOWN_FRAMES).round().long()
    clip = clip[:, chosen]
    if len(clip) == 2:
        frames = _colour_wheel(clip.transpose(0, 1))
    else:
        frames = (clip * STANDARD_DEVIATION + MEAN).clamp(0, 1).transpose(0, 1)
    frames = nn.functional.interpolate(frames, size=(SHOWN_PIXELS, SHOWN_PIXELS))
    frames = nn.functional.pad(frames, (0, 2, 0, 2), value=1.0)
    return frames.permute(2, 0, 3, 1).reshape(SHOWN_PIXELS + 2, -1, 3)
