"""Chains of scalar weights in torch, v -> w_L ... w_1 v: by gradient descent, with weight decay, or by Minnorm."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from experiments.chain.parameters import Units
from experiments.methods.minnorm.descent import SimultaneousMinnormDescent
from experiments.training import Loss, State, Trainee
from experiments.updates import DecayedDescent, Schedule, constant
from theory.chain.problem import Chain
from theory.claims import Study
from theory.core.arrays import Array
from theory.minnorm.tuning import Number, Tuning


def violation(chain: Chain, w: Tensor) -> Tensor:
    """h = x s - f(x) of each run (runs,)."""
    output = chain.x * w.prod(-1)
    return chain.x * chain.s - output


def squared_loss(chain: Chain) -> Loss:
    """1/2 h^2 of each run."""
    return lambda state: 0.5 * violation(chain, state["w"]).square()


def plain_descent(study: Study, chain: Chain, w: Array) -> Trainee:
    """Chains from w (runs, L), by gradient descent."""
    return Trainee(study, squared_loss(chain), {"w": w})


def decayed_descent(study: Study, chain: Chain, w: Array, gamma: Number | Schedule) -> Trainee:
    """Chains from w (runs, L), with weight decay: a number, one a run (runs,), or a schedule."""
    loss = squared_loss(chain)
    rule = DecayedDescent(loss, gamma if callable(gamma) else constant(gamma))
    return Trainee(study, loss, {"w": w}, rule)


def minnorm_descent(study: Study, chain: Chain, w: Array, tuning: Tuning, multipliers: Number = 0.0) -> Trainee:
    """Chains from w (runs, L) and these multipliers, by simultaneous Minnorm steps."""

    def norm(weights: State) -> Tensor:
        return (weights["w"].abs().pow(chain.power).sum(-1) / chain.power).sum()

    rule = SimultaneousMinnormDescent(lambda state: violation(chain, state["w"]), tuning, multipliers, norm=norm)
    return Trainee(study, rule.loss, {"w": w}, rule)


def random_weights(rng: np.random.Generator, runs: int, L: int, low: float, high: float) -> Array:
    """Weights (runs, L) of sizes between `low` and `high` and random signs whose product is positive."""
    size = rng.uniform(low, high, (runs, L))
    signs = rng.choice([-1.0, 1.0], (runs, L))
    signs[:, 0] *= signs.prod(-1)
    return signs * size


def random_minnorm(study: Study, chain: Chain, runs: int, integration: Sequence[float]) -> tuple[Array, Tuning, Array]:
    """Random weights (runs, L), tunings and multipliers (runs,), with b between the two numbers of `integration`.

    Where b is below 0 the multiplier integrates away from the solution.
    """
    rng, units = study.rng("random", chain.L), Units(chain)
    w = random_weights(rng, runs, chain.L, 0.6 * chain.omega, 1.2 * chain.omega)
    tuning = Tuning(rng.uniform(0.4, 1.2, runs), rng.uniform(*integration, runs), rng.uniform(0.1, 0.5, runs))
    return w, units.tuning(tuning), units.multiplier * rng.uniform(-1, 1.2, runs)
