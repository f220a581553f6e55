"""Chains of scalar weights in torch: v -> w_L ... w_1 v, trained with weight decay or with Minnorm."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.training.legacy import refined
from experiments.training.loop import Observe, train
from experiments.training.updates import Loss, State, Update, along
from theory.chain.problem import Chain
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.minnorm.tuning import Number, Tuning


def violation(chain: Chain, w: Tensor) -> Tensor:
    """h = x s - f(x) of each run (runs,)."""
    output = chain.x * w.prod(-1)
    return chain.x * chain.s - output


def squared_loss(chain: Chain) -> Loss:
    """1/2 h^2 of each run."""
    return lambda state: 0.5 * violation(chain, state["w"]).square()


class MinnormDescent:
    """w <- w - eta a grad [N(w) + (lambda + c h) h], lambda <- lambda + eta b h, both from the same forward pass.

    The effective multiplier lambda + c h is a number to the gradient, which is torch's own.
    """

    def __init__(self, chain: Chain, tuning: Tuning, multiplier: Number = 0.0) -> None:
        self.chain, self.tuning, self.multiplier = chain, tuning, multiplier

    def begin(self, state: State) -> None:
        like = state["w"][:, 0]
        per_run = lambda number: torch.tensor(number, dtype=like.dtype, device=like.device).expand_as(like)  # noqa: E731
        self.a, self.b, self.c = (per_run(number) for number in (self.tuning.a, self.tuning.b, self.tuning.c))
        state["multiplier"] = per_run(self.multiplier).clone()

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        w = state["w"].detach().requires_grad_()
        with torch.enable_grad():
            h = violation(self.chain, w)
            effective = (state["multiplier"] + self.c * h).detach()
            norm = w.abs().pow(self.chain.power).sum(-1) / self.chain.power
            (gradient,) = torch.autograd.grad((norm + effective * h).sum(), w)
        return 0.5 * h.detach().square(), (gradient, h.detach())

    def apply(self, state: State, work: tuple[Tensor, Tensor], learning_rate: Tensor) -> None:
        gradient, h = work
        state["w"].addcmul_(along(learning_rate * self.a, gradient), gradient, value=-1)
        state["multiplier"].addcmul_(learning_rate * self.b, h)


def everything(state: State) -> State:
    """What to record: the weights, and whatever the rule remembers."""
    return dict(state)


def train_chain(
    study: Study,
    name: str,
    chain: Chain,
    w: Array,
    rule: Update,
    *,
    learning_rate: float | Array,
    steps: int,
    record: Sequence[int],
    observe: Observe = everything,
) -> Trajectory:
    """Train chains from w (runs, L) by `rule`; see `experiments.training.train`."""
    return train(
        squared_loss(chain),
        {"w": w},
        learning_rate=learning_rate,
        steps=steps,
        record=record,
        observe=observe,
        update=rule,
        **study.training(name),
    )


def refine(
    study: Study,
    name: str,
    chain: Chain,
    w: Array,
    rule: Callable[[], Update],
    *,
    learning_rate: float,
    horizon: float,
    records: int = 17,
    levels: int = 4,
) -> list[Trajectory]:
    """The same training at learning_rate / 1, 2, 4, ..., recorded at the same times."""

    def descend(level: str, **schedule: Any) -> Trajectory:
        return train_chain(study, level, chain, w, rule(), **schedule)

    return refined(descend, name, learning_rate=learning_rate, horizon=horizon, records=records, levels=levels)


def random_weights(rng: np.random.Generator, runs: int, L: int, low: float, high: float) -> Array:
    """Weights (runs, L) of sizes between `low` and `high` and random signs whose product is positive."""
    size = rng.uniform(low, high, (runs, L))
    signs = rng.choice([-1.0, 1.0], (runs, L))
    signs[:, 0] *= signs.prod(-1)
    return signs * size
