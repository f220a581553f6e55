"""Stacks of `nn.Linear` in torch, x -> W_L ... W_1 x, taught by a linear teacher: every run its own examples."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from experiments.methods.minnorm.descent import SimultaneousMinnormDescent
from experiments.training import Loss, Observe, State, Trainee, Update, along
from experiments.training.batches import layers_of, outputs, stack, state_of
from experiments.updates import DecayedDescent, constant
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Number, Tuning


class Constraint:
    """h = Y - W_L ... W_1 X of each run (runs, n, K), through layers of the widths of W, one after the other."""

    def __init__(self, problem: TeacherStudent, W: Layers, device: str) -> None:
        self.network = stack([problem.d, *(layer.shape[-2] for layer in W)])
        # torch keeps the examples in rows.
        self.inputs, self.labels = (
            torch.tensor(array, dtype=torch.float64, device=device).mT.contiguous() for array in (problem.X, problem.Y)
        )

    def __call__(self, state: State) -> Tensor:
        return self.labels - outputs(self.network, state, self.inputs)


def squared_loss(constraint: Constraint) -> Loss:
    """1/2 |Y - W X|^2 of each run."""
    return lambda state: 0.5 * constraint(state).square().sum((1, 2))


class ControlledDescent:
    """Gradient descent, weight decay and Minnorm as one rule with numbers of each run, fused:

        W_l <- (1 - eta gamma) W_l + eta W_{>l}^T (Lambda + c R) X^T W_{<l}^T,   Lambda <- Lambda + eta b R

    with R = Y - W X. The weights leak at rate gamma, and the error holds them up by its value (c) and by its integral
    (b): gradient descent is gamma = b = 0, c = 1; weight decay gamma > 0 = b; Minnorm gamma = a = 1, b > 0. The product
    of the layers comes first, which costs a tenth of an example-by-example pass; a claim checks it against autograd.
    Runs may be several for each draw of the problem, in a row, and then share its examples.
    """

    def __init__(
        self, problem: TeacherStudent, *, gamma: Array | float = 0.0, b: Array | float = 0.0, c: Array | float = 1.0
    ) -> None:
        self.problem, self.gamma, self.b, self.c = problem, gamma, b, c

    def begin(self, state: State) -> None:
        self.depth = len(state)
        like = state["W1"][:, 0, 0]
        self.leak, self.integral, self.direct = (_per_run(number, like) for number in (self.gamma, self.b, self.c))
        self.X, self.Y = (
            torch.tensor(array, dtype=like.dtype, device=like.device) for array in (self.problem.X, self.problem.Y)
        )
        self.Y = self.Y.repeat_interleave(len(like) // len(self.Y), 0)
        state["multipliers"] = torch.zeros_like(self.Y)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Sequence[Tensor], Tensor]]:
        W = layers_of(state)
        below = list(accumulate(W, lambda product, layer: layer @ product))
        R = self.Y - _times_shared(below[-1], self.X)
        force = _times_shared(state["multipliers"] + along(self.direct, R) * R, self.X.mT)
        steps = []
        for l in reversed(range(1, self.depth)):
            steps.append(force @ below[l - 1].mT)
            force = _times(W[l].mT, force)
        return 0.5 * R.square().sum((1, 2)), ([force, *steps[::-1]], R)

    def apply(self, state: State, work: tuple[Sequence[Tensor], Tensor], learning_rate: Tensor) -> None:
        steps, R = work
        for l, step in enumerate(steps, start=1):
            weight = state[f"W{l}"]
            weight.mul_(1 - along(learning_rate * self.leak, weight)).addcmul_(along(learning_rate, step), step)
        state["multipliers"].addcmul_(along(learning_rate * self.integral, R), R)


def students(
    study: Study, constraint: Constraint, W: Layers, rule: Update | None = None, observe: Observe = dict
) -> Trainee:
    """Stacks from W, a list of W_l (runs, h_l, h_{l-1}), by a rule, or by gradient descent."""
    return Trainee(study, squared_loss(constraint), state_of(W), rule, observe)


def by_descent(study: Study, problem: TeacherStudent, W: Layers, observe: Observe = dict) -> Trainee:
    """Students by gradient descent."""
    return students(study, Constraint(problem, W, study.device), W, observe=observe)


def by_weight_decay(
    study: Study, problem: TeacherStudent, W: Layers, gamma: float | Array, observe: Observe = dict
) -> Trainee:
    """Students by gradient descent with weight decay gamma, one number or one a run."""
    constraint = Constraint(problem, W, study.device)
    return students(study, constraint, W, DecayedDescent(squared_loss(constraint), constant(gamma)), observe)


def by_minnorm(
    study: Study, problem: TeacherStudent, W: Layers, tuning: Tuning, multipliers: Array | float = 0.0
) -> Trainee:
    """Students by Minnorm, its multipliers (runs, n, K) recorded with the layers."""
    constraint = Constraint(problem, W, study.device)
    return students(study, constraint, W, SimultaneousMinnormDescent(constraint, tuning, multipliers))


def isometries(rng: np.random.Generator, widths: Sequence[int], runs: int) -> list[Array]:
    """Random layers with orthonormal rows or columns, each times a number between 0.7 and 1.3, so not balanced."""
    square = lambda size: np.linalg.qr(rng.standard_normal((runs, size, size)))[0]  # noqa: E731
    shapes = zip(widths[1:], widths)
    return [rng.uniform(0.7, 1.3, (runs, 1, 1)) * square(max(shape))[:, : shape[0], : shape[1]] for shape in shapes]


def product(state: State) -> State:
    """What to record when the end-to-end matrix W_L ... W_1 will do."""
    first, *others = layers_of(state)
    for layer in others:
        first = layer @ first
    return {"W": first}


def product_and_gain(state: State) -> State:
    """The end-to-end matrix, and |A| = |W_L ... W_2|."""
    W = layers_of(state)
    last = torch.eye(W[-1].shape[1], dtype=W[-1].dtype, device=W[-1].device).expand(len(W[-1]), -1, -1)
    for layer in reversed(W[1:]):
        last = last @ layer
    return product(state) | {"gain": last.flatten(1).norm(dim=1)}


def _times_shared(rows: Tensor, matrix: Tensor) -> Tensor:
    """Rows (runs, K, m) times one matrix (draws, m, m') for all runs of a draw."""
    return (rows.reshape(len(matrix), -1, rows.shape[-1]) @ matrix).reshape(*rows.shape[:-1], -1)


def _times(left: Tensor, right: Tensor) -> Tensor:
    """left @ right; outer products are several times as fast by broadcasting."""
    return left * right if left.shape[-1] == 1 else left @ right


def _per_run(number: Number, like: Tensor) -> Tensor:
    return torch.as_tensor(number, dtype=like.dtype, device=like.device).expand_as(like)
