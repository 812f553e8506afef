"""Layers whose weight gradient is what a test wants, whatever the processor computes."""

import torch
from torch import nn


class _Planted(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight, change):
        ctx.change = change
        return weight.clone()

    @staticmethod
    def backward(ctx, gradient):
        return ctx.change(gradient), None


class PlantedConv3d(nn.Conv3d):
    """A `Conv3d` with `change` of the gradient of its weight; by default in autocast only."""

    def __init__(self, *arguments, change, always=False):
        super().__init__(*arguments, padding=1, bias=False)
        self.change, self.always = change, always

    def forward(self, clips):
        weight = self.weight
        if self.always or torch.is_autocast_enabled(clips.device.type):
            weight = _Planted.apply(weight, self.change)
        return self._conv_forward(clips, weight, None)


def nan(gradient):
    return gradient * float("nan")
