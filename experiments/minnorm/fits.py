"""Fits through `Minnorm` as a user makes them. The networks are tiny, so they train on the CPU whatever the device."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD

from experiments.methods.minnorm import Constraint, Minnorm, Mode
from theory.claims import Study
from theory.claims.study import Training
from theory.core.arrays import Array

Rates = tuple[float, float, float]  # A, B, c: steps of the weights and of the multipliers, and the augmentation
Data = tuple[Tensor, Tensor, Sequence[Tensor | None]]  # inputs, targets, the rows of each step's batch or None for all


class LinearModels(nn.Module):
    """One linear model a run, from weights 0: inputs (n, runs, d) -> outputs (n, runs)."""

    def __init__(self, runs: int, d: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(runs, d, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs * self.weight).sum(-1)


def around(
    network: nn.Module,
    constraint: Constraint,
    rates: Rates,
    order: type[Minnorm] = Minnorm,
    modes: Sequence[Mode] = (),
) -> Minnorm:
    """The method around a network trained by plain SGD."""
    A, B, c = rates
    return order(SGD(network.parameters(), lr=A), constraint, dual_learning_rate=B, augmentation=c, modes=modes)


def fit(study: Study, network: nn.Module, method: "Minnorm | DescentWithDecay", data: Data) -> Array:
    """The `path` of a training, which the study notes."""
    rate = float(method.optimizer.param_groups[0]["lr"])
    shapes = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    study.record(Training(type(method).__name__, shapes, (rate, rate), len(data[2])))
    return path(network, method, data)


def path(network: nn.Module, method: "Minnorm | DescentWithDecay", data: Data) -> Array:
    """Parameters and multipliers, in one row each, after every step: shape (steps, numbers)."""
    inputs, targets, batches = data
    states = []
    for batch in batches:
        rows = slice(None) if batch is None else batch
        method(network(inputs[rows]), targets[rows], batch).backward()
        method.step()
        parts = [*network.parameters(), method.multipliers]
        states.append(torch.cat([part.detach().flatten() for part in parts]).numpy())
    return np.stack(states)


class DescentWithDecay:
    """Alternating or simultaneous steps for margins without the wrapper: weight decay by SGD, multipliers clamped."""

    def __init__(
        self,
        network: nn.Module,
        targets: Tensor,
        rates: Rates,
        *,
        simultaneous: bool = False,
        decay: float = 1.0,
        least: float = 0.0,
    ) -> None:
        A, self.B, self.c = rates
        self.optimizer = SGD(network.parameters(), lr=A, weight_decay=decay)
        self.simultaneous, self.least = simultaneous, least
        self.multipliers = torch.zeros_like(targets)

    def __call__(self, outputs: Tensor, targets: Tensor, index: Tensor | None) -> Tensor:
        rows = slice(None) if index is None else index
        share, h = len(self.multipliers) / len(targets), 1 - targets * outputs
        before = self.multipliers[rows].clone()
        after = (before + share * self.B * h.detach()).clamp(min=self.least)
        self.multipliers[rows] = after
        force = (before if self.simultaneous else after) + self.c * h.detach()
        return share * (force.clamp(min=self.least) * h).sum()

    def step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()
