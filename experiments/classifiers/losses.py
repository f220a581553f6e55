"""What outputs (runs, b, classes) cost on labels (runs, b): losses (runs, b), and the margins they depend on."""

from collections.abc import Callable

import torch
from torch import Tensor

Losses = Callable[[Tensor, Tensor], Tensor]


def margins(outputs: Tensor, y: Tensor) -> Tensor:
    """f_y - max_{k != y} f_k (runs, b)."""
    right = y[..., None]
    others = outputs.scatter(-1, right, -torch.inf).amax(-1)
    return outputs.gather(-1, right)[..., 0] - others


def cross_entropy(outputs: Tensor, y: Tensor) -> Tensor:
    """-log p_y (runs, b)."""
    return outputs.logsumexp(-1) - outputs.gather(-1, y[..., None])[..., 0]


def hinge(outputs: Tensor, y: Tensor) -> Tensor:
    """The multiclass hinge loss [1 - margin]_+ (runs, b) of Crammer & Singer 2001."""
    return (1 - margins(outputs, y)).clamp(min=0)


def by_cell(*losses: Losses) -> Losses:
    """Losses of runs in cells, one after the other, of which each has its own."""

    def each(outputs: Tensor, y: Tensor) -> Tensor:
        cells = zip(losses, *(runs.unflatten(0, (-1, len(losses))).unbind(1) for runs in (outputs, y)))
        return torch.stack([loss(f, labels) for loss, f, labels in cells], 1).flatten(0, 1)

    return each
