"""A contrast over a batch that no device holds at once: in chunks, or split over processes.

The loss sees the embeddings of all videos; only what leads to them is computed in parts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
import torch.distributed
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hdc.objectives.pretext_task import Views
from hdc.objectives.terms import Embedded


def in_chunks(embed: Callable[[Views], Embedded], views: Views, chunk: int) -> Embedded:
    """Embed `chunk` videos at a time, with all their views, and compute them again for gradients.

    Activations are kept for one chunk only, so memory hardly grows with the batch, and gradients
    are those of the whole batch: what GradCache (arXiv 2101.06983) does, by checkpointing. Batch
    norm is the exception: it sees one chunk at a time, so in training mode a chunk smaller than the
    batch is another network. Its running statistics are updated once a chunk.
    """
    parts = [
        checkpoint(
            embed,
            dict(zip(views, part, strict=True)),
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=lambda: (nullcontext(), _statistics_kept(embed.__self__)),
        )
        for part in zip(*(clips.split(chunk) for clips in views.values()), strict=True)
    ]
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Batch norms do not count the batch that they see again."""
    norms = [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.training
    ]
    earlier = [(norm, norm.momentum) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in earlier:
            norm.momentum = momentum
            norm.num_batches_tracked.sub_(1)


def gathered(embedded: Embedded) -> Embedded:
    """The embeddings of all processes, in their order; the same where there is one process.

    Each process computes the whole loss and the gradient of its own embeddings, times the number of
    processes: averaged over them, as data parallel training does, that is the whole gradient.
    No gradient has to travel (torch's own differentiable all_gather mixes up gradients that are not
    contiguous, seen with torch 2.15 and gloo).
    """
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return embedded
    rows = torch.cat([table.detach().flatten(1) for table in embedded.values()], dim=1)
    processes = [torch.empty_like(rows) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(processes, rows)  # all of them at once
    widths = [table[0].numel() for table in embedded.values()]
    by_table = zip(*(part.split(widths, dim=1) for part in processes), strict=True)
    return {
        key: _joined(table, parts)
        for (key, table), parts in zip(embedded.items(), by_table, strict=True)
    }


def _joined(
    ours: Float[Tensor, "video ..."], parts: Sequence[Float[Tensor, "video number"]]
) -> Float[Tensor, "all ..."]:
    """A table of all processes, in whose own part gradients go on."""
    joined = [part.reshape(ours.shape).to(ours.dtype) for part in parts]
    joined[torch.distributed.get_rank()] = own = ours.view_as(ours)
    if own.requires_grad:
        own.register_hook(lambda gradient: gradient * len(parts))
    return torch.cat(joined)
