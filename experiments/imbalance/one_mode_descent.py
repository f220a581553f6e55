"""One mode of a linear network in torch, 1/2 (y - u . v)^2, trained with steps so large that some runs diverge."""

import torch
from torch import Tensor

from experiments.training import GradientDescent, Loss, State, Trainee
from experiments.updates import Update
from theory.claims import Study
from theory.core.arrays import Array

ESCAPED = 1e3  # |eta (u . v - y)| from which on descent multiplies it by its square at least


def one_mode(study: Study, y: float, u: Array, v: Array, rule: Update | None = None) -> Trainee:
    """Runs from u, v (runs, h)."""
    return Trainee(study, mode_loss(y), {"u": u, "v": v}, rule)


def held_one_mode(study: Study, y: float, u: Array, v: Array, eta: Array | float, low: float = 0.0) -> Trainee:
    """The same, to be trained at eta, one number or one a run: runs that escape are held where they are."""
    return one_mode(study, y, u, v, UntilDecided(mode_loss(y), low, escaped_loss(eta)))


def escaped_loss(eta: Array | float) -> Array | float:
    """The loss of a run that has escaped."""
    return 0.5 * (ESCAPED / eta) ** 2


def mode_loss(y: float) -> Loss:
    """1/2 (y - u . v)^2 of each run."""
    return lambda state: 0.5 * (y - (state["u"] * state["v"]).sum(-1)).square()


class UntilDecided(GradientDescent):
    """Gradient descent that holds a run once its loss is below `low` or above `high`; the state counts its steps.

    Args:
        low, high: one number, or one a run (runs,).
    """

    def __init__(self, loss: Loss, low: Array | float, high: Array | float) -> None:
        super().__init__(loss)
        self.low, self.high = low, high

    def begin(self, state: State) -> None:
        super().begin(state)
        like = state[self.names[0]]
        self.bounds = [torch.as_tensor(each, dtype=like.dtype, device=like.device) for each in (self.low, self.high)]
        state["taken"] = torch.zeros(len(like), dtype=like.dtype, device=like.device)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, tuple[Tensor, ...]]]:
        losses, gradients = super().evaluate(state)
        low, high = self.bounds
        return losses, ((losses > low) & (losses < high), gradients)

    def apply(self, state: State, work: tuple[Tensor, tuple[Tensor, ...]], learning_rate: Tensor) -> None:
        undecided, gradients = work
        super().apply(state, gradients, learning_rate * undecided)
        state["taken"] += undecided
