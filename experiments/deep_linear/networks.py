"""Stacks of `nn.Linear` in torch, x -> W_L ... W_1 x, taught by a linear teacher: every run its own examples."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from experiments.training.batches import layers_of, outputs, stack, state_of
from experiments.training.loop import Observe, train
from experiments.training.updates import Loss, State, Update, along
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Number, Tuning


class Constraint:
    """h = Y - W_L ... W_1 X of each run (runs, n, K), through the layers one after the other as torch does."""

    def __init__(self, problem: TeacherStudent, widths: Sequence[int], device: str) -> None:
        self.network: nn.Module = stack(widths)
        # torch keeps the examples in rows.
        self.inputs, self.labels = (
            torch.tensor(array, dtype=torch.float64, device=device).mT.contiguous() for array in (problem.X, problem.Y)
        )

    def __call__(self, state: State) -> Tensor:
        return self.labels - outputs(self.network, state, self.inputs)


def squared_loss(constraint: Constraint) -> Loss:
    """1/2 |Y - W X|^2 of each run."""
    return lambda state: 0.5 * constraint(state).square().sum((1, 2))


class MinnormDescent:
    """W_l <- W_l - eta a grad_l [1/2 |theta|^2 + (lambda + c h) h], lambda <- lambda + eta b h, from one forward pass.

    The effective multiplier lambda + c h (runs, n, K) is a number to the gradient, which is torch's own.
    """

    def __init__(self, constraint: Constraint, tuning: Tuning, multiplier: Array | float = 0.0) -> None:
        self.constraint, self.tuning, self.multiplier = constraint, tuning, multiplier

    def begin(self, state: State) -> None:
        self.names = tuple(state)
        like = state["W1"][:, 0, 0]
        self.a, self.b, self.c = (_per_run(number, like) for number in (self.tuning.a, self.tuning.b, self.tuning.c))
        start = torch.as_tensor(self.multiplier, dtype=like.dtype, device=like.device)
        state["multiplier"] = start.expand_as(self.constraint.labels).clone()

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Sequence[Tensor], Tensor]]:
        leaves = {name: state[name].detach().requires_grad_() for name in self.names}
        with torch.enable_grad():
            h = self.constraint(leaves)
            effective = (state["multiplier"] + along(self.c, h) * h).detach()
            norm = sum(leaf.square().sum() for leaf in leaves.values()) / 2
            gradients = torch.autograd.grad(norm + (effective * h).sum(), tuple(leaves.values()))
        return 0.5 * h.detach().square().sum((1, 2)), (gradients, h.detach())

    def apply(self, state: State, work: tuple[Sequence[Tensor], Tensor], learning_rate: Tensor) -> None:
        gradients, h = work
        for name, gradient in zip(self.names, gradients):
            state[name].addcmul_(along(learning_rate * self.a, gradient), gradient, value=-1)
        state["multiplier"].addcmul_(along(learning_rate * self.b, h), h)


class ControlledDescent:
    """Gradient descent, weight decay and Minnorm as one rule with numbers of each run, fused:

        W_l <- (1 - eta gamma) W_l + eta W_{>l}^T (Lambda + c R) X^T W_{<l}^T,   Lambda <- Lambda + eta b R

    with R = Y - W X. The weights leak at rate gamma, and the error holds them up by its value (c) and by its integral
    (b): gradient descent is gamma = b = 0, c = 1; weight decay gamma > 0 = b; Minnorm gamma = a = 1, b > 0. The product
    of the layers comes first, which costs a tenth of an example-by-example pass; a claim checks it against autograd.
    """

    def __init__(self, problem: TeacherStudent, gamma: Array | float, b: Array | float, c: Array | float) -> None:
        self.problem, self.gamma, self.b, self.c = problem, gamma, b, c

    def begin(self, state: State) -> None:
        self.depth = len(state)
        like = state["W1"][:, 0, 0]
        self.leak, self.integral, self.direct = (_per_run(number, like) for number in (self.gamma, self.b, self.c))
        self.X, self.Y = (
            torch.tensor(array, dtype=like.dtype, device=like.device) for array in (self.problem.X, self.problem.Y)
        )
        state["multiplier"] = torch.zeros_like(self.Y)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Sequence[Tensor], Tensor]]:
        W = layers_of(state)
        seen = list(accumulate(W, lambda below, layer: layer @ below))
        R = self.Y - seen[-1] @ self.X
        force = (state["multiplier"] + along(self.direct, R) * R) @ self.X.mT
        steps = []
        for l in reversed(range(self.depth)):
            steps.append(force @ seen[l - 1].mT if l else force)
            force = W[l].mT @ force
        return 0.5 * R.square().sum((1, 2)), (steps[::-1], R)

    def apply(self, state: State, work: tuple[Sequence[Tensor], Tensor], learning_rate: Tensor) -> None:
        steps, R = work
        for l, step in enumerate(steps, start=1):
            weight = state[f"W{l}"]
            weight.mul_(1 - along(learning_rate * self.leak, weight)).addcmul_(along(learning_rate, step), step)
        state["multiplier"].addcmul_(along(learning_rate * self.integral, R), R)


def train_stack(
    study: Study,
    name: str,
    constraint: Constraint,
    W: Layers,
    rule: Update,
    *,
    learning_rate: float | Array,
    steps: int,
    record: Sequence[int],
    observe: Observe,
    stop_below: float | None = None,
) -> Trajectory:
    """Train stacks from W, a list of W_l (runs, h_l, h_{l-1}), by `rule`; see `experiments.training.train`."""
    return train(
        squared_loss(constraint),
        state_of(W),
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        observe=observe,
        update=rule,
        stop_below=stop_below,
        **study.training(name),
    )


def layers(state: State) -> State:
    """What to record when the theory needs every layer."""
    return {f"W{l}": layer for l, layer in enumerate(layers_of(state), start=1)}


def product(state: State) -> State:
    """What to record when the end-to-end matrix W_L ... W_1 will do."""
    first, *others = layers_of(state)
    for layer in others:
        first = layer @ first
    return {"W": first}


def _per_run(number: Number, like: Tensor) -> Tensor:
    return torch.as_tensor(number, dtype=like.dtype, device=like.device).expand_as(like)
