"""Minnorm as an update rule for batches of runs, with the multipliers in the state.

With h the constraints, P the nearest multipliers that are allowed, and (a, b, c) a `Tuning`, one step of size eta is

    theta   <- theta - eta a grad [N(theta) + mu . h(theta)]    with mu = [lambda + c h]_P held fixed,
    lambda  <- [lambda + eta b h]_P                             with h before the step, or after it.

P is the identity for equalities and the positive part for inequalities h <= 0.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from experiments.methods.minnorm.constraints import any_sign, ascended, positive_part
from experiments.updates import State, along
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.minnorm.tuning import Number, Tuning

__all__ = [
    "AlternatingMinnormDescent",
    "Constraints",
    "SimultaneousMinnormDescent",
    "any_sign",
    "half_squared_norm",
    "positive_part",
]

Constraints = Callable[[State], Tensor]


def half_squared_norm(weights: State) -> Tensor:
    """1/2 |theta|^2, summed over the runs."""
    return sum(weight.square().sum() for weight in weights.values()) / 2  # type: ignore[return-value]


class SimultaneousMinnormDescent:
    """Both move from the same state: lambda <- [lambda + eta b h(theta)]_P with the weights before their step.

    The gradient is torch's own; the effective multiplier mu is a number to it. The multipliers are `multipliers` in
    the state, of the shape of h.

    Args:
        constraints: weights -> h (runs, ...).
        tuning: a, b, c, each one number or one a run.
        multipliers: lambda at the start; broadcasts with h.
        project: P, `any_sign` or `positive_part`.
        norm: N, summed over the runs.

    Raises:
        InvalidArgument: at the start of training, multipliers that are not finite or do not broadcast with h.
    """

    def __init__(
        self,
        constraints: Constraints,
        tuning: Tuning,
        multipliers: Array | float = 0.0,
        *,
        project: Callable[[Tensor], Tensor] = any_sign,
        norm: Callable[[State], Tensor] = half_squared_norm,
    ) -> None:
        self.constraints, self.tuning, self.multipliers = constraints, tuning, multipliers
        self.project, self.norm = project, norm
        self.names: tuple[str, ...] = ()

    def begin(self, state: State) -> None:
        self.names = tuple(state)
        h = self.constraints(state)
        self.a, self.b, self.c = (_per_run(number, h) for number in (self.tuning.a, self.tuning.b, self.tuning.c))
        start = torch.tensor(_startable(self.multipliers, tuple(h.shape)), dtype=h.dtype, device=h.device)
        state["multipliers"] = start.expand_as(h).clone()

    def loss(self, state: State) -> Tensor:
        """Half the squared violation of each run (runs,): of h for equalities, of its positive part otherwise."""
        return self._half_squared_violation(self.constraints(state))

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Sequence[Tensor], Tensor]]:
        weights = {name: state[name].detach().requires_grad_() for name in self.names}
        with torch.enable_grad():
            h = self.constraints(weights)
            effective = ascended(state["multipliers"], h.detach(), along(self.c, h), self.project)
            gradients = torch.autograd.grad(self.norm(weights) + (effective * h).sum(), tuple(weights.values()))
        return self._half_squared_violation(h.detach()), (gradients, h.detach())

    def apply(self, state: State, work: tuple[Sequence[Tensor], Tensor], learning_rate: Tensor) -> None:
        gradients, h = work
        self._descend(state, gradients, learning_rate)
        self._ascend(state, h, learning_rate)

    def _descend(self, state: State, gradients: Sequence[Tensor], learning_rate: Tensor) -> None:
        for name, gradient in zip(self.names, gradients):
            state[name].addcmul_(along(learning_rate * self.a, gradient), gradient, value=-1)

    def _ascend(self, state: State, h: Tensor, learning_rate: Tensor) -> None:
        moved = state["multipliers"].addcmul(along(learning_rate * self.b, h), h)
        state["multipliers"].copy_(self.project(moved))

    def _half_squared_violation(self, h: Tensor) -> Tensor:
        return 0.5 * self.project(h).square().reshape(len(h), -1).sum(1)


class AlternatingMinnormDescent(SimultaneousMinnormDescent):
    """The weights move first: lambda <- [lambda + eta b h(theta)]_P with the weights after their step."""

    def apply(self, state: State, work: tuple[Sequence[Tensor], Tensor], learning_rate: Tensor) -> None:
        gradients, _ = work
        self._descend(state, gradients, learning_rate)
        self._ascend(state, self.constraints({name: state[name] for name in self.names}), learning_rate)


def _startable(multipliers: Array | float, shape: tuple[int, ...]) -> Array:
    """Finite real numbers that broadcast to the constraints' shape."""
    start = np.asarray(multipliers)
    if start.dtype.kind not in "iuf" or not np.isfinite(start).all():
        reject("multipliers", multipliers, "finite real numbers")
    ends = shape[len(shape) - start.ndim :] if start.ndim <= len(shape) else None
    if ends is None or any(size not in (1, whole) for size, whole in zip(start.shape, ends)):
        reject("multipliers.shape", start.shape, f"one that broadcasts to {shape}, the constraints'")
    return start


def _per_run(number: Number, like: Tensor) -> Tensor:
    return torch.tensor(number, dtype=like.dtype, device=like.device).expand(len(like))
