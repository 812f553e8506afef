"""Video networks, one file per family.

A backbone is a module with `levels`, a dict from level name to `hdc.backbones.level.Level`, shallow
to deep; called on clips of shape (batch, 3, time, height, width) it returns a dict with the same
names and order, level -> features of shape (batch, channel, time, height, width).

A module may say of its functions in `STRIDES`, by function and level, the strides in time and in
space, and in `LEAST_CLIP` the least frames and pixels that they all take: planning a study reads
both from its source. What a module does not say is found out by trying, which imports torch once.
"""
