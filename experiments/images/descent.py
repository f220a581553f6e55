"""How all methods train: Adam on mini-batches of one order, its learning rate falling to 0; and what they minimise.

The runs are networks x -> W_L relu(... relu(W_1 x)) without biases, of degree L in their weights. Each belongs to one
of the groups of a `Split`, its seed: that decides its examples.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from experiments.classifiers.descent import FallingAdam
from experiments.classifiers.examples import Batch, Examples
from experiments.classifiers.losses import Losses
from experiments.training.batches import layers_of
from experiments.updates import State, along
from theory.core.arrays import Array


def by_columns(state: State, x: Tensor) -> Tensor:
    """What `group_outputs` returns, (runs, n, classes), as a view of (runs, classes, n).

    Sums over classes are an order of magnitude faster there: they run over examples that lie side by side.
    """
    first, *others = layers_of(state)
    groups, width = len(x), first.shape[1]
    inner = (first.reshape(groups, -1, first.shape[-1]) @ x.mT).unflatten(1, (-1, width)).flatten(0, 1)
    for layer in others:
        inner = layer @ inner.relu()
    return inner.mT


def shortfalls(outputs: Tensor, y: Tensor) -> Tensor:
    """h_ik = 1 - (f_y - f_k), at most 0 where example i beats class k by a margin of 1; (runs, b, classes).

    One constraint a wrong class is smooth in f, and asks for the same as one for the largest of them. The right
    class has h = -1: it is met whatever the network does.
    """
    own = nn.functional.one_hot(y, outputs.shape[-1]).to(outputs.dtype)
    return 1 - 2 * own - ((outputs * own).sum(-1, keepdim=True) - outputs)


class Annealed(FallingAdam):
    """Adam on mini-batches, with a learning rate that falls to 0."""

    def __init__(self, network: nn.Sequential, examples: Examples, steps: int) -> None:
        super().__init__(self.first_loss, steps)
        self.network, self.examples = network, examples

    def first_loss(self, weights: State) -> Tensor:
        """What the first step minimises, for the weights alone."""
        first = self.examples.take(self.examples.orders[0])
        return self.objective(weights, weights, first)[0]

    def objective(self, weights: State, memory: State, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Losses (runs,) of a batch, differentiable in the weights, and what `remember` wants to know."""
        raise NotImplementedError

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
        super().apply(state, gradients, learning_rate)

    def remember(self, state: State, gradients: tuple[Tensor, ...], batch: Batch, seen: tuple[Tensor, ...]) -> None:
        """Update what the rule remembers, from what it saw before the step."""
        raise NotImplementedError

    def look(self, state: State) -> State:
        """What of it to record, (runs, ...)."""
        raise NotImplementedError


class Averaged(Annealed):
    """And its mean gradient over the last steps.

    A network of rectifiers is not smooth, and its minima lie where it is not: there the gradient jumps from step to
    step, however near they are. What vanishes is the mean gradient over states that lie close together, an element of
    Goldstein's subdifferential. So over the last steps, whole epochs, the mean gradient is remembered, and how far
    apart the states lie.

    Args:
        window: the share of the steps, the last ones, whose gradients are averaged.
        unit: what the loss has to be multiplied by for its norm term to be 1/2 |theta|^2.
    """

    def __init__(self, network: nn.Sequential, examples: Examples, steps: int, window: float, unit: float) -> None:
        super().__init__(network, examples, steps)
        self.unit = unit
        self.window = max(round(window * steps / examples.per_epoch), 1) * examples.per_epoch

    def begin(self, state: State) -> None:
        super().begin(state)
        for name in self.names:
            state[f"{name}.anchor"] = state[name].clone()
            state[f"{name}.gradient"] = torch.zeros_like(state[name])
        for name in ("radius", "steepness"):
            state[name] = torch.zeros_like(state["count"])

    def late(self, state: State) -> Tensor:
        """1 in the last steps, 0 before (runs,)."""
        return (state["count"] >= self.steps - self.window).to(state["count"].dtype)

    def remember(self, state: State, gradients: tuple[Tensor, ...], batch: Batch, seen: tuple[Tensor, ...]) -> None:
        late, before = self.late(state), (state["count"] <= self.steps - self.window).to(state["count"].dtype)
        for name, gradient in zip(self.names, gradients):
            state[f"{name}.anchor"].lerp_(state[name], along(before, gradient))
            state[f"{name}.gradient"].addcmul_(along(late / self.window, gradient), gradient)
        state["radius"] = torch.maximum(state["radius"], late * self._drift(state))
        state["steepness"] += late / self.window * norm(gradients)

    def look(self, state: State) -> State:
        """Mean gradient, radius and steepness of `theory.images.Convergence`, at the end."""
        return {
            "gradient": self.unit * norm([state[f"{name}.gradient"] for name in self.names]),
            "steepness": self.unit * state["steepness"],
            "radius": state["radius"] + self._drift(state),
        }

    def _drift(self, state: State) -> Tensor:
        return norm([state[name] - state[f"{name}.anchor"] for name in self.names])


class Penalised(Annealed):
    """(1/n) sum_i loss_i + |theta|^2 / (2 C n); remembers sum_t (1 - exp(-loss_i)) of every example.

    That is the integrated error, sum_t (1 - p_y), of cross-entropy.

    Args:
        losses: outputs (runs, b, classes) and labels (runs, b) -> losses (runs, b).
        strengths: C (runs,), infinite where there is no penalty.
    """

    def __init__(
        self, network: nn.Sequential, examples: Examples, steps: int, losses: Losses, strengths: Array
    ) -> None:
        super().__init__(network, examples, steps)
        self.losses = losses
        self.unit = torch.tensor(strengths * examples.size, dtype=examples.x.dtype, device=examples.x.device)

    def begin(self, state: State) -> None:
        super().begin(state)
        state["errors"] = self.unit.new_zeros(len(self.unit), self.examples.size)

    def objective(self, weights: State, memory: State, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
        losses = self.losses(by_columns(weights, batch.x), batch.y)
        return losses.mean(-1) + squared_norm(weights) / (2 * self.unit), (losses.detach(),)

    def remember(self, state: State, gradients: tuple[Tensor, ...], batch: Batch, seen: tuple[Tensor, ...]) -> None:
        state["errors"][:, batch.rows] -= torch.expm1(-seen[0])

    def look(self, state: State) -> State:
        return {"errors": state["errors"]}


def squared_norm(state: State) -> Tensor:
    """|theta|^2 (runs,)."""
    return _squared(layers_of(state))


def norm(layers: Sequence[Tensor]) -> Tensor:
    """Euclidean norm (runs,) of layers (runs, h, d) together."""
    return _squared(layers).sqrt()


def _squared(layers: Sequence[Tensor]) -> Tensor:
    return torch.stack([layer.square().sum((-2, -1)) for layer in layers]).sum(0)
