"""How all methods train: Adam on mini-batches of one order, its learning rate falling to 0; and what they minimise.

The runs are networks x -> W_L relu(... relu(W_1 x)) without biases, of degree L in their weights. Each belongs to one
of the groups of a `Split`, its seed: that decides its examples.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from experiments.images.tasks import Split
from experiments.training.batches import layers_of, outputs
from experiments.training.updates import Adam, State, along
from theory.core.arrays import Array
from theory.core.validation import reject

ORDERS = 64  # random orders of the examples, one an epoch, before they are used again
CHUNK = 1000  # examples whose outputs are computed at once

Losses = Callable[[Tensor, Tensor], Tensor]


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


def shortfalls(outputs: Tensor, y: Tensor) -> Tensor:
    """h_ik = 1 - (f_y - f_k), at most 0 where example i beats class k by a margin of 1; (runs, b, classes).

    One constraint a wrong class is smooth in f, and asks for the same as one for the largest of them. The right
    class has h = -1: it is met whatever the network does.
    """
    own = nn.functional.one_hot(y, outputs.shape[-1]).to(outputs.dtype)
    return 1 - 2 * own - ((outputs * own).sum(-1, keepdim=True) - outputs)


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


class Annealed(Adam):
    """Adam on mini-batches, with a learning rate that falls to 0 like a cosine (Loshchilov & Hutter 2017).

    A network of rectifiers is not smooth, and its minima lie where it is not: there the gradient jumps from step to
    step, however near they are. What vanishes is the mean gradient over states that lie close together, an element of
    Goldstein's subdifferential. So over the last steps, whole epochs, the mean gradient is remembered, and how far
    apart the states lie.

    Args:
        window: the share of the steps, the last ones, whose gradients are averaged.
        unit: (runs,) what the loss has to be multiplied by for its norm term to be 1/2 |theta|^2.
    """

    def __init__(self, network: nn.Sequential, examples: Examples, steps: int, window: float, unit: Array) -> None:
        super().__init__(self.first_loss)
        self.network, self.examples, self.steps = network, examples, steps
        self.unit = torch.tensor(unit, dtype=examples.x.dtype, device=examples.x.device)
        self.window = max(round(window * steps / examples.per_epoch), 1) * examples.per_epoch

    def first_loss(self, weights: State) -> Tensor:
        """What the first step minimises, for the weights alone."""
        first = self.examples.take(self.examples.orders[0])
        return self.objective(weights, weights, first)[0]

    def objective(self, weights: State, memory: State, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Losses (runs,) of a batch, differentiable in the weights, and what `remember` wants to know."""
        raise NotImplementedError

    def begin(self, state: State) -> None:
        super().begin(state)
        for name in self.names:
            state[f"{name}.anchor"] = state[name].clone()
            state[f"{name}.gradient"] = torch.zeros_like(state[name])
        for name in ("radius", "steepness"):
            state[name] = torch.zeros_like(state["count"])

    def evaluate(self, state: State) -> tuple[Tensor, Any]:
        batch = self.examples.batch(state["count"][:1])
        leaves = {name: state[name].detach().requires_grad_() for name in self.names}
        with torch.enable_grad():
            losses, seen = self.objective(leaves, state, batch)
            gradients = torch.autograd.grad(losses.sum(), tuple(leaves.values()))
        return losses.detach(), (gradients, batch, seen)

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        gradients, batch, seen = work
        self.remember(state, gradients, batch, seen)
        fall = (1 + torch.cos(torch.pi * state["count"] / self.steps)) / 2
        super().apply(state, gradients, learning_rate * fall)

    def late(self, state: State) -> Tensor:
        """1 in the last steps, 0 before (runs,)."""
        return (state["count"] >= self.steps - self.window).to(self.unit.dtype)

    def remember(self, state: State, gradients: tuple[Tensor, ...], batch: Batch, seen: tuple[Tensor, ...]) -> None:
        """Update what the rule remembers, from what it saw before the step."""
        late, started = self.late(state), state["count"] > self.steps - self.window
        for name, gradient in zip(self.names, gradients):
            anchor = state[f"{name}.anchor"]
            anchor.copy_(torch.where(along(started, anchor), anchor, state[name]))
            state[f"{name}.gradient"].addcmul_(along(late / self.window, gradient), gradient)
        state["radius"] = torch.maximum(state["radius"], late * self._drift(state))
        state["steepness"] += late / self.window * norm(gradients)

    def look(self, state: State) -> State:
        """What to record (runs, ...): mean gradient, radius and steepness of `theory.images.Convergence` at the end."""
        return {
            "gradient": self.unit * norm([state[f"{name}.gradient"] for name in self.names]),
            "steepness": self.unit * state["steepness"],
            "radius": state["radius"] + self._drift(state),
        }

    def _drift(self, state: State) -> Tensor:
        return norm([state[name] - state[f"{name}.anchor"] for name in self.names])


class Penalised(Annealed):
    """(1/n) sum_i loss_i + |theta|^2 / (2 C n); remembers sum_t (1 - p_y) of every example, its integrated error.

    Args:
        losses: outputs (runs, b, classes) and labels (runs, b) -> losses (runs, b).
        strengths: C (runs,), infinite where there is no penalty.
    """

    def __init__(
        self,
        network: nn.Sequential,
        examples: Examples,
        steps: int,
        window: float,
        losses: Losses,
        strengths: Array,
    ) -> None:
        super().__init__(network, examples, steps, window, strengths * examples.size)
        self.losses = losses

    def begin(self, state: State) -> None:
        super().begin(state)
        state["errors"] = self.unit.new_zeros(len(self.unit), self.examples.size)

    def objective(self, weights: State, memory: State, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
        f = group_outputs(self.network, weights, batch.x)
        return self.losses(f, batch.y).mean(-1) + squared_norm(weights) / (2 * self.unit), (f.detach(),)

    def remember(self, state: State, gradients: tuple[Tensor, ...], batch: Batch, seen: tuple[Tensor, ...]) -> None:
        super().remember(state, gradients, batch, seen)
        state["errors"][:, batch.rows] += 1 - torch.exp(-cross_entropy(seen[0], batch.y))

    def look(self, state: State) -> State:
        return {"errors": state["errors"], **super().look(state)}


def squared_norm(state: State) -> Tensor:
    """|theta|^2 (runs,)."""
    return _squared(layers_of(state))


def norm(layers: Sequence[Tensor]) -> Tensor:
    """Euclidean norm (runs,) of layers (runs, h, d) together."""
    return _squared(layers).sqrt()


def _squared(layers: Sequence[Tensor]) -> Tensor:
    return torch.stack([layer.square().sum((-2, -1)) for layer in layers]).sum(0)
