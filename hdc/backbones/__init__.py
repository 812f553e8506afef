"""Video networks, one file per family.

A backbone is a module with `levels`, a dict from level name to channels, shallow to deep; called on
clips of shape (batch, 3, time, height, width) it returns a dict with the same names and order,
level -> features of shape (batch, channel, time, height, width).

A module may say in `LEAST_CLIP` the least frames and pixels that all of its networks take. Of the
others, planning a study finds out by trying, which imports torch once.
"""
