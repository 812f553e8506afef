"""The optimizer of a training, and its learning rate step by step."""

import math

import torch
from lightning_fabric import Fabric
from torch import nn

from hdc.settings.schema import Optimization


def learning_rate(
    step: int, settings: Optimization, steps_per_epoch: int, total_steps: int
) -> float:
    """The rate of a step: linear from 0 over the warm-up, then constant or half a cosine down to 0.

    Source: SGDR (arXiv 1608.03983), eq. 5, one period.
    """
    warmup = settings.warmup_epochs * steps_per_epoch
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    if settings.schedule == "constant":
        return settings.learning_rate
    done = (step - warmup) / max(1, total_steps - warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(
    model: nn.Module, settings: Optimization, fabric: Fabric
) -> torch.optim.Optimizer:
    """The optimizer that the settings name, of all weights of a model that learn, on its device."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    shared = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    shared["fused"] = True if fabric.device.type == "cuda" else None
    if settings.optimizer == "sgd":
        return torch.optim.SGD(weights, momentum=settings.momentum, **shared)
    return torch.optim.AdamW(weights, betas=(settings.momentum, 0.999), **shared)
