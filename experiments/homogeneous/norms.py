"""How the norm of a vector grows whose size the loss does not see, and whether two paths have one direction."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.homogeneous.predictions import Predicted, scaled
from experiments.training import GradientDescent, State, along
from theory.claims import Measured, Tolerance, measured
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.homogeneous.normalisation import squared_norm_after_step

JOLT = 2.0**-32  # a million roundings: far above one, and far below where paths part for good


def growth(run: Trajectory, vector: str, eta: float, case: str) -> Measured:
    """The change of |v|^2 (T - 1, runs) in each step of learning rate eta."""
    squared = squares(run[vector])
    # <v, G> is 0 up to roundings of |v| |G|, which is at most the number of examples here; eta of it enters twice.
    tolerance = 64 * EPS * (squared.max() + 24 * eta)
    within = Tolerance(tolerance, "64 roundings of |v|^2 and of eta <v, G>")
    change = np.diff(squared, axis=0)
    return measured("growth of the norm", change, within=within, case=case, axes=("t", "run"))


def grown(run: Trajectory, vector: str, eta: float, shrinkage: float = 0.0) -> Predicted:
    """The change of |v|^2 (T - 1, runs) that each step makes of the one before, and of the gradient there."""
    before = squares(run[vector])[:-1]
    after = squared_norm_after_step(before, squares(run[f"d{vector}"])[:-1], eta, shrinkage)
    return scaled(after - before)


class Jolted(GradientDescent):
    """Descent that is put off by shares of `JOLT` after every step: what rounding does, a million times larger."""

    def begin(self, state: State) -> None:
        super().begin(state)
        first = state[self.names[0]]
        state["jolts"] = torch.zeros(len(first), dtype=first.dtype, device=first.device)

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        super().apply(state, work, learning_rate)
        state["jolts"] += 1
        for v in (state[name] for name in self.names):
            entries = torch.arange(v.numel(), dtype=v.dtype, device=v.device).reshape(v.shape)
            v.mul_(1 + JOLT * torch.cos(entries + along(state["jolts"], v) ** 2))


def turned(name: str, path: Array, other: Array, jolted: Array, examples: int) -> Measured:
    """v / |v| of a path (T, runs, ...), less that of another one, which `Jolted` descent takes as `jolted`."""
    parted = np.abs(units(jolted) - units(other)).reshape(*other.shape[:2], -1).max((0, 2)) / JOLT
    because = "64 roundings a step and one an example, which part paths as far as jolts of every step do"
    within = Tolerance((64 + examples) * EPS * np.maximum(parted, 1).reshape(-1, *[1] * (path.ndim - 2)), because)
    return measured(name, units(path) - units(other), within=within, axes=("t", "run"))


def units(path: Array) -> Array:
    """v / |v|, of a path (T, runs, ...)."""
    norms = np.sqrt(squares(path))
    return path / norms.reshape(*norms.shape, *[1] * (path.ndim - 2))


def squares(v: Array) -> Array:
    """|v|^2 (T, runs) of vectors (T, runs, ...)."""
    return np.square(v.reshape(*v.shape[:2], -1)).sum(-1)
