"""Batches of runs under Halpern's iteration: an update rule around any other, and least squares to train with it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.methods.halpern import Schedule, harmonic
from experiments.training.loop import train
from experiments.training.updates import GradientDescent, Loss, State, Update, along
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory


class HalpernDescent:
    """A step of `inner`, then w <- (1 - lambda_k) w + lambda_k v on every parameter.

    Args:
        inner: the rule whose steps are T.
        schedule: k (runs,) -> lambda_k (runs,).
        anchor: v by name, each (runs, ...); None: the origin.
    """

    def __init__(self, inner: Update, schedule: Schedule = harmonic, anchor: State | None = None) -> None:
        self.inner, self.schedule, self.anchor = inner, schedule, anchor

    def begin(self, state: State) -> None:
        first = next(iter(state.values()))
        self.goals = {name: torch.zeros_like(w) for name, w in state.items()} if self.anchor is None else self.anchor
        self.inner.begin(state)
        state["iteration"] = torch.zeros(len(first), dtype=first.dtype, device=first.device)

    def evaluate(self, state: State) -> tuple[Tensor, Any]:
        return self.inner.evaluate(state)

    def apply(self, state: State, work: Any, learning_rate: Tensor) -> None:
        self.inner.apply(state, work, learning_rate)
        moving = learning_rate > 0
        weight = self.schedule(state["iteration"]) * moving
        for name, goal in self.goals.items():
            state[name].lerp_(goal, along(weight, goal))
        state["iteration"] += moving


def polynomial(c: float | Array, power: float | Array, device: str) -> Schedule:
    """lambda_k = c / (k + 2)^power, each a number or one a run: harmonic, summable, constant (power 0), none (c 0)."""
    c, power = (torch.tensor(number, dtype=torch.float64, device=device) for number in (c, power))
    return lambda k: c / (k + 2) ** power


def squared_loss(problem: Regression, device: str) -> Loss:
    """1/2 |X w - Y|^2 of each run, w (runs, D, m)."""
    X, Y = (torch.tensor(array, dtype=torch.float64, device=device) for array in (problem.X, problem.Y))
    return lambda state: 0.5 * (X @ state["w"] - Y).square().sum((1, 2))


def train_regression(
    study: Study,
    name: str,
    problem: Regression,
    w: Array,
    *,
    learning_rate: float,
    steps: int,
    record: Sequence[int],
    schedule: Schedule = harmonic,
    anchor: Array | None = None,
) -> Trajectory:
    """Norm-minimising descent on least squares from w (runs, D, m); records w."""
    goals = None if anchor is None else {"w": torch.tensor(anchor, dtype=torch.float64, device=study.device)}
    loss = squared_loss(problem, study.device)
    return train(
        loss,
        {"w": w},
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        observe=weights,
        update=HalpernDescent(GradientDescent(loss), schedule, goals),
        **study.training(name),
    )


def weights(state: State) -> State:
    """What to record of a linear model."""
    return {"w": state["w"]}


def rounding(problem: Regression, k: Array, *sizes: Array) -> Array:
    """What rounding may add up to in w_k (T, 1, 1, 1) of least squares, `sizes` arrays of the numbers met on the way.

    A step sums n-term and D-term products, and moves w by at most eta |X| (|X| |w| + |Y|) <= 2 (|w| + |w*|); T and the
    pull carry errors on without growth. The prediction's 1 / (eta h) has the condition number of H.
    """
    n, D = problem.X.shape
    largest = max(float(np.abs(array).max()) for array in (*sizes, problem.minimum_norm_solution))
    condition = (problem.S[0] / problem.S[-1]) ** 2
    return 2 * (n + D + 8) * (np.reshape(k, (-1, 1, 1, 1)) + 1 + condition) * EPS * largest


ROUNDING = "2 (n + D + 8) roundings a step of the largest number met, carried on without growth; condition of X^T X"
