"""Descent far beyond the fit: margins of networks, their losses in logarithms, and steps that reach log t = 100."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from experiments.training.batches import outputs, state_of
from experiments.training.loop import Observe, train
from experiments.training.updates import GradientDescent, Loss, State
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory

Margins = Callable[[State], Tensor]

FAINT = -30.0  # below, log(1 + e^a) is e^a (1 - e^a / 2) to all digits


def network_margins(network: nn.Module, X: Array, y: Array, device: str) -> Margins:
    """q_n = y_n f(x_n), (runs, n), of a network with one output on inputs X (*runs, n, d) with labels y (*runs, n)."""
    inputs, labels = (torch.tensor(array, dtype=torch.float64, device=device) for array in (X, y))
    return lambda state: labels * outputs(network, state, inputs)[..., 0]


def log_exponential(margins: Margins) -> Loss:
    """log sum_n e^{-q_n}."""
    return lambda state: torch.logsumexp(-margins(state), -1)


def log_logistic(exponents: Margins) -> Loss:
    """log sum_n log(1 + e^{a_n}), also where e^{a_n} is below the rounding of 1; a = -q for two classes."""

    def loss(state: State) -> Tensor:
        a = exponents(state)
        # Clamped on both branches: what is not chosen still sends its gradient, which must be finite.
        near = torch.nn.functional.softplus(a.clamp(min=FAINT)).log()
        far = a - a.clamp(max=FAINT).exp() / 2
        return torch.logsumexp(torch.where(a < FAINT, far, near), -1)

    return loss


class LogTimeDescent(GradientDescent):
    """Descent on log Loss by steps rate / (1 + |grad log Loss|^2), with tau = log(1 + t) beside it.

    The orbit is that of gradient flow on Loss, whose time t grows by rate / (Loss (1 + |grad log Loss|^2)) a step: each
    step lowers log Loss by less than the rate, however deep the network and however late.
    """

    def begin(self, state: State) -> None:
        super().begin(state)
        first = state[self.names[0]]
        state["tau"] = torch.zeros(len(first), dtype=first.dtype, device=first.device)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        losses, gradients = super().evaluate(state)
        return losses, (*gradients, losses)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        *gradients, losses = work
        step = learning_rate / (1 + squared(gradients))
        super().apply(state, tuple(gradients), step)
        state["tau"].copy_(torch.logaddexp(state["tau"], torch.log(step) - losses))


def squared(tensors: Sequence[Tensor]) -> Tensor:
    """Squared norm (runs,) of all of them together."""
    return torch.stack([tensor.square().flatten(1).sum(1) for tensor in tensors]).sum(0)


def descend(
    study: Study,
    name: str,
    loss: Loss,
    W: Layers,
    *,
    learning_rate: float | Array,
    steps: int,
    record: Sequence[int],
    observe: Observe | None = None,
    rule: Callable[[Loss], GradientDescent] = LogTimeDescent,
    **options: Any,
) -> Trajectory:
    """Train layers W_l (runs, h_l, h_{l-1}) on a loss in logarithms; records the whole state unless told otherwise."""
    return train(
        loss,
        state_of(W),
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        observe=observe or dict,
        update=rule(loss),
        **study.training(name),
        **options,
    )
