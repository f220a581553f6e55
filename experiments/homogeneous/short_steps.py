"""Descent on the logarithm of a loss by steps of bounded length, and what it counts: time, and Halpern's weights."""

from typing import Any

import torch
from torch import Tensor

from experiments.training import GradientDescent, Loss, State


class ShortSteps(GradientDescent):
    """Steps rate / (|G| (1 + |G|)) of gradient descent on a logarithm of a loss: layers move by at most the rate, and
    so does that logarithm. `first` is the share of its gradient that the first parameter is stepped by."""

    def __init__(self, loss: Loss, first: float = 1.0) -> None:
        super().__init__(loss)
        self.first = first

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        first, *others = work
        super().apply(state, (self.first * first, *others), short(work, learning_rate))


class CountedSteps(ShortSteps):
    """The same on gains g1, ... and vectors v1, ..., with `tau` = log(1 + t), t the time of gradient flow on the loss
    itself, and `work` = sum of 2 lambda steps, 2 lambda = -g_1 dL/dg_1 = sum_n p_n q_n, beside them."""

    def begin(self, state: State) -> None:
        super().begin(state)
        for name in ("tau", "work"):
            state[name] = torch.zeros_like(state["g1"])

    def evaluate(self, state: State) -> tuple[Tensor, Any]:
        losses, gradients = super().evaluate(state)
        return losses, (*gradients, losses)

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        *gradients, losses = work
        step = short(gradients, learning_rate)
        state["work"] -= step * state["g1"] * gradients[self.names.index("g1")]
        state["tau"].copy_(torch.logaddexp(state["tau"], torch.log(step) - losses))
        super().apply(state, gradients, learning_rate)


def short(gradients: Any, rate: Tensor) -> Tensor:
    """The step (runs,) of that rate."""
    length = torch.stack([g.square().reshape(len(g), -1).sum(1) for g in gradients]).sum(0).sqrt()
    return rate / (length * (1 + length))
