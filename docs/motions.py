"""Draws docs/figures/motions.png: one synthetic video of each motion, frames from left to right."""

import io
from itertools import cycle
from pathlib import Path

import numpy as np
from PIL import Image

from hdc.data.synthetic.videos import MOTIONS, SHAPES, plan_videos, render
from hdc.runtime.atomic_files import write_bytes

FRAMES, EVERY, PIXELS, SHOWN = 8, 2, 40, 80  # frames a strip, every which, made at, shown at

if __name__ == "__main__":
    plan = plan_videos(
        shapes=list(SHAPES), motions=list(MOTIONS), train_videos=len(SHAPES) * len(MOTIONS),
        validation_videos=len(SHAPES) * len(MOTIONS), test_videos=len(SHAPES) * len(MOTIONS),
        train_backgrounds=48, test_backgrounds=8, frames=FRAMES * EVERY, pixels=PIXELS,
        appearance_change=1.0, stripes=False, shortcut=0.0, test_shortcut="none", seed=2,
    )  # fmt: skip
    strips = []
    for shape, motion in zip(cycle(SHAPES), MOTIONS, strict=False):
        row = plan[(plan["shape"] == shape) & (plan.motion == motion)].iloc[0]
        clip = render(row, frames=FRAMES * EVERY, pixels=PIXELS)[::EVERY]
        clip = clip.repeat(SHOWN // PIXELS, axis=1).repeat(SHOWN // PIXELS, axis=2)
        clip = np.pad(clip, ((0, 0), (0, 4), (0, 4), (0, 0)), constant_values=255)
        strips.append(clip.transpose(1, 0, 2, 3).reshape(SHOWN + 4, -1, 3))
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(strips)).save(buffer, "PNG")
    write_bytes(Path(__file__).parent / "figures" / "motions.png", buffer.getvalue())
