"""Linear classifiers in torch: losses of the margins Z w, and Minnorm's step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.training.loop import train
from experiments.training.updates import GradientDescent, Loss, State, along
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory


def exponential_loss(Z: Array, device: str) -> Loss:
    """sum_i exp(-z_i . w) of each run."""
    margins = _margins(Z, device)
    return lambda state: torch.exp(-margins(state)).sum(-1)


def logistic_loss(Z: Array, device: str) -> Loss:
    """sum_i log(1 + exp(-z_i . w)) of each run."""
    margins = _margins(Z, device)
    return lambda state: torch.nn.functional.softplus(-margins(state)).sum(-1)


def log_loss(Z: Array, device: str) -> Loss:
    """log sum_i exp(-z_i . w): descending it is descending the exponential loss by steps learning_rate / loss."""
    margins = _margins(Z, device)
    return lambda state: torch.logsumexp(-margins(state), -1)


class NormalisedDescent(GradientDescent):
    """Gradient descent on `log_loss`, with tau = log(1 + sum of the steps learning_rate / loss) beside it."""

    def begin(self, state: State) -> None:
        super().begin(state)
        state["tau"] = torch.zeros(len(state["w"]), dtype=state["w"].dtype, device=state["w"].device)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        losses, gradients = super().evaluate(state)
        return losses, (*gradients, losses)

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        *gradients, losses = work
        super().apply(state, tuple(gradients), learning_rate)
        state["tau"].copy_(torch.logaddexp(state["tau"], torch.log(learning_rate) - losses))


class SimultaneousMinnorm:
    """w -= rate a (w - Z^T lambda_eff), lambda = [lambda + rate b (1 - Z w)]_+, both from the same w.

    lambda_eff = [lambda + c (1 - Z w)]_+ is held fixed while autograd differentiates 1/2 |w|^2 + lambda_eff (1 - Z w).
    """

    def __init__(self, Z: Array, a: float | Array, b: float | Array, device: str, c: float = 0.0) -> None:
        self.margins = _margins(Z, device)
        self.a, self.b = (torch.tensor(np.asarray(rate, np.float64), device=device) for rate in (a, b))
        self.c = c

    def begin(self, state: State) -> None:
        """The multipliers are part of the start."""

    def lagrangian(self, state: State) -> Tensor:
        """1/2 |w|^2 + lambda . (1 - Z w) of each run."""
        return 0.5 * state["w"].square().sum(-1) + (state["multipliers"] * (1 - self.margins(state))).sum(-1)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        w = state["w"].detach().requires_grad_()
        with torch.enable_grad():
            violation = 1 - self.margins({"w": w})
            effective = (state["multipliers"] + self.c * violation).clamp(min=0).detach()
            losses = self.lagrangian({"w": w, "multipliers": effective})
            gradient = torch.autograd.grad(losses.sum(), w)[0]
        return losses.detach(), (gradient, violation.detach())

    def apply(self, state: State, work: tuple[Tensor, Tensor], learning_rate: Tensor) -> None:
        gradient, violation = work
        state["w"].sub_(along(learning_rate * self.a, gradient) * gradient)
        self._ascend(state, violation, learning_rate)

    def _ascend(self, state: State, violation: Tensor, learning_rate: Tensor) -> None:
        state["multipliers"].add_(along(learning_rate * self.b, violation) * violation).clamp_(min=0)


class AlternatingMinnorm(SimultaneousMinnorm):
    """As above, with the multipliers' step taken at the new w."""

    def apply(self, state: State, work: tuple[Tensor, Tensor], learning_rate: Tensor) -> None:
        gradient, _ = work
        state["w"].sub_(along(learning_rate * self.a, gradient) * gradient)
        self._ascend(state, 1 - self.margins(state), learning_rate)


def train_classifier(
    study: Study,
    name: str,
    loss: Loss,
    w: Array,
    *,
    learning_rate: float | Array,
    steps: int,
    record: Sequence[int],
    **rest: Any,
) -> Trajectory:
    """Descend `loss` from w (runs, d); records w."""
    return train(
        loss,
        {"w": w},
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        observe=lambda state: {name: state[name] for name in ("w", "tau") if name in state},
        device=study.device,
        checkpoint=study.checkpoint(name),
        progress=study.progress,
        **rest,
    )


def train_minnorm(
    study: Study,
    name: str,
    rule: SimultaneousMinnorm,
    w: Array,
    multipliers: Array,
    *,
    learning_rate: float | Array,
    steps: int,
    record: Sequence[int],
) -> Trajectory:
    """Minnorm from w (runs, d) and multipliers (runs, n); records both."""
    return train(
        rule.lagrangian,
        {"w": w, "multipliers": multipliers},
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        observe=lambda state: {"w": state["w"], "multipliers": state["multipliers"]},
        update=rule,
        device=study.device,
        checkpoint=study.checkpoint(name),
        progress=study.progress,
    )


def _margins(Z: Array, device: str) -> Any:
    """state -> Z w (runs, n); Z (n, d) is shared, Z (runs, n, d) is each run's own."""
    tensor = torch.tensor(Z, dtype=torch.float64, device=device)
    return lambda state: (tensor @ state["w"].unsqueeze(-1)).squeeze(-1)
