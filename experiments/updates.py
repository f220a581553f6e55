"""Update rules: how one step changes the state of a batch of independent runs.

The state is a dict of tensors whose first dimension counts the runs; whatever a rule remembers between steps is
part of it, so that a checkpoint of the state is a checkpoint of the rule.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from theory.core.arrays import Array

State = dict[str, Tensor]
Loss = Callable[[State], Tensor]
Schedule = Callable[[Tensor], Tensor]


@runtime_checkable
class Update(Protocol):
    """One step in two halves, so that a run whose loss is low enough can be held where it is."""

    def begin(self, state: State) -> None:
        """Add to the state what the rule remembers."""

    def evaluate(self, state: State) -> tuple[Tensor, Any]:
        """Losses (runs,) at the state, and whatever `apply` needs of them."""

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        """Step in place; `learning_rate` (runs,) is 0 for the runs to be held."""


class GradientDescent:
    """Full-batch gradient descent; the gradient is torch's own."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.names: tuple[str, ...] = ()

    def begin(self, state: State) -> None:
        self.names = tuple(state)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        leaves = {name: state[name].detach().requires_grad_() for name in self.names}
        with torch.enable_grad():
            losses = self.loss(leaves)
            # The runs do not see each other, so the gradient of the sum holds the gradient of each.
            gradients = torch.autograd.grad(losses.sum(), tuple(leaves.values()))
        return losses.detach(), gradients

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        for name, gradient in zip(self.names, work):
            state[name].addcmul_(along(learning_rate, gradient), gradient, value=-1)


class DecayedDescent(GradientDescent):
    """Gradient descent with weight decay gamma(t), t = step x learning rate; gamma maps times (runs,) to (runs,)."""

    def __init__(self, loss: Loss, gamma: Schedule) -> None:
        super().__init__(loss)
        self.gamma = gamma

    def begin(self, state: State) -> None:
        super().begin(state)
        first = state[self.names[0]]
        state["time"] = torch.zeros(len(first), dtype=first.dtype, device=first.device)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        shrinkage = learning_rate * self.gamma(state["time"])
        for name in self.names:
            state[name].mul_(1 - along(shrinkage, state[name]))
        super().apply(state, work, learning_rate)
        state["time"] += learning_rate


def constant(gamma: float | Array) -> Schedule:
    """The schedule that stays at gamma, one number or one a run."""
    return lambda time: torch.tensor(gamma, dtype=time.dtype, device=time.device)


class Momentum(GradientDescent):
    """Gradient descent with heavy-ball momentum (Polyak 1964): velocity <- decay velocity + gradient."""

    def __init__(self, loss: Loss, decay: float = 0.9) -> None:
        super().__init__(loss)
        self.decay = decay

    def begin(self, state: State) -> None:
        super().begin(state)
        for name in self.names:
            state[f"{name}.velocity"] = torch.zeros_like(state[name])

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        for name, gradient in zip(self.names, work):
            velocity = state[f"{name}.velocity"].mul_(self.decay).add_(gradient)
            state[name].addcmul_(along(learning_rate, gradient), velocity, value=-1)


class Adam(GradientDescent):
    """Adam (Kingma & Ba 2015) with its published defaults: the rule that is *not* equivariant under rotations."""

    first_decay, second_decay, floor = 0.9, 0.999, 1e-8

    def begin(self, state: State) -> None:
        super().begin(state)
        for name in self.names:
            state[f"{name}.first"] = torch.zeros_like(state[name])
            state[f"{name}.second"] = torch.zeros_like(state[name])
        runs = next(iter(state.values())).shape[0]
        state["count"] = torch.zeros(runs, dtype=state[self.names[0]].dtype, device=state[self.names[0]].device)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        state["count"] += 1
        for name, gradient in zip(self.names, work):
            first = state[f"{name}.first"].lerp_(gradient, 1 - self.first_decay)
            second = state[f"{name}.second"].lerp_(gradient**2, 1 - self.second_decay)
            unbiased = first / (1 - self.first_decay ** along(state["count"], gradient))
            scale = (second / (1 - self.second_decay ** along(state["count"], gradient))).sqrt() + self.floor
            state[name].sub_(along(learning_rate, gradient) * unbiased / scale)


def along(per_run: Tensor, like: Tensor) -> Tensor:
    """One number a run (runs,), shaped to multiply a tensor (runs, ...)."""
    return per_run.reshape(-1, *[1] * (like.dim() - 1))
