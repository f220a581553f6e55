"""Losses of margins, also in logarithms, so that they can be descended far beyond the fit."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from experiments.training import Loss, State
from theory.homogeneous.decomposition import LossSlope, exponential_slope, log_slope, logistic_slope, squared_slope

Margins = Callable[[State], Tensor]

# Losses of margins (runs, n) -> (runs,), and what theory knows of each: its -l'.
LOSSES: dict[str, tuple[Callable[[Tensor], Tensor], LossSlope]] = {
    "exponential": (lambda q: torch.exp(-q).sum(-1), exponential_slope),
    "logistic": (lambda q: nn.functional.softplus(-q).sum(-1), logistic_slope),
    "squared": (lambda q: 0.5 * (1 - q).square().sum(-1), squared_slope),
    "log": (lambda q: torch.logsumexp(-q, -1), log_slope),
}

FAINT = -30.0  # below, log(1 + e^a) is e^a (1 - e^a / 2) to all digits


def loss_of(margins: Margins, name: str = "log") -> Loss:
    """One of `LOSSES`; by default the logarithm of the exponential loss, log sum_n e^{-q_n}."""
    loss, _ = LOSSES[name]
    return lambda state: loss(margins(state))


def log_logistic(exponents: Margins) -> Loss:
    """log sum_n log(1 + e^{a_n}), also where e^{a_n} is below the rounding of 1; a = -q for two classes."""

    def loss(state: State) -> Tensor:
        a = exponents(state)
        # Clamped on both branches: what is not chosen still sends its gradient, which must be finite.
        near = torch.nn.functional.softplus(a.clamp(min=FAINT)).log()
        far = a - a.clamp(max=FAINT).exp() / 2
        return torch.logsumexp(torch.where(a < FAINT, far, near), -1)

    return loss
