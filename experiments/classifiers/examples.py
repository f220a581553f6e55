"""The examples that a batch of networks learns from: one split a seed, several networks on each.

The networks are x -> W_L relu(... relu(W_1 x)) without biases, of degree L in their weights.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from experiments.classifiers.tasks import Split
from experiments.training.batches import layers_of, outputs
from experiments.updates import State
from theory.core.validation import reject

ORDERS = 64  # random orders of the examples, one an epoch, before they are used again
CHUNK = 1000  # examples whose outputs are computed at once


class Batch(NamedTuple):
    """Some examples: which ones (b,), their images (groups, b, d), and each run's labels (runs, b)."""

    rows: Tensor
    x: Tensor
    y: Tensor


class Examples:
    """The examples of a split on a device, in mini-batches that are the same for all runs.

    Args:
        cells: how many runs learn each group of the split, one after the other.
        batch: how many examples a step takes; divides their number.

    Raises:
        InvalidArgument: a batch that does not.
    """

    def __init__(self, split: Split, cells: int, batch: int, rng: np.random.Generator, device: str) -> None:
        if batch < 1 or split.size % batch:
            reject("batch", batch, f"a divisor of the {split.size} examples")
        self.size, self.per_epoch = split.size, split.size // batch
        self.x, self.y = torch.tensor(split.x, device=device), torch.tensor(split.y, device=device)
        self.cells = cells
        orders = np.stack([rng.permutation(split.size) for _ in range(ORDERS)]).reshape(-1, batch)
        self.orders = torch.tensor(orders, device=device)

    def batch(self, count: Tensor) -> Batch:
        """The mini-batch of step `count`, a tensor (1,): the device is not waited for."""
        if self.per_epoch == 1:
            return self._all
        return self.take(self.orders.index_select(0, count.long() % len(self.orders))[0])

    @cached_property
    def _all(self) -> Batch:
        return self.take(torch.arange(self.size, device=self.x.device))

    def take(self, rows: Tensor) -> Batch:
        x, y = self.x.index_select(1, rows), self.y.index_select(1, rows)
        return Batch(rows, x, y.repeat_interleave(self.cells, 0))

    @property
    def labels(self) -> Tensor:
        """(runs, n)."""
        return self.y.repeat_interleave(self.cells, 0)

    def outputs(self, network: nn.Sequential, state: State) -> Tensor:
        """Outputs (runs, n, classes) on all examples."""
        rows = torch.arange(self.size, device=self.x.device).split(CHUNK)
        return torch.cat([group_outputs(network, state, self.take(some).x) for some in rows], 1)

    def accuracy(self, network: nn.Sequential, state: State) -> Tensor:
        """Share of the examples (runs,) whose class has the largest output."""
        return (self.outputs(network, state).argmax(-1) == self.labels).to(torch.float64).mean(1)


def group_outputs(network: nn.Sequential, state: State, inputs: Tensor) -> Tensor:
    """Outputs (runs, n, classes) on inputs (groups, n, d), of which each serves the runs / groups next runs.

    The first layers of those runs are one wide layer: one product in place of several, and no copies of the inputs.
    """
    layers = layers_of(state)
    groups, width = len(inputs), layers[0].shape[1]
    wide = outputs(network[:1], {"W1": layers[0].reshape(groups, -1, layers[0].shape[-1])}, inputs)
    inner = wide.unflatten(-1, (-1, width)).movedim(2, 1).flatten(0, 1)
    return outputs(network[1:], {f"W{l}": layer for l, layer in enumerate(layers[1:], 2)}, inner)
