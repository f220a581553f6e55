"""The limit at infinite size: problems that settle fast, steps that are stable late, and the limit extrapolated."""

from functools import partial

import numpy as np

from experiments.homogeneous.rules import LogTimeDescent
from experiments.training import Loss, Trainee
from experiments.training.batches import state_of
from theory.claims import Measured, Study, Tolerance, measured, varies
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers
from theory.core.separable import Separable
from theory.core.trajectory import Trajectory
from theory.shallow import gradient_flow

STEPS = partial(varies, "of the largest stable size, to where the limit is read", low=800, high=20_000)
SHARES = np.array([0.5, 0.3, 0.2])
FAST = 0.5  # rate at which examples settle, in log t


def settling(Z: Array) -> Separable:
    """The least stiff of random examples that settle fast; where none of them does, the fastest."""
    candidates = Separable(Z)
    rate = gradient_flow.relaxation_rate(candidates)
    fast = rate >= min(FAST, rate.max())
    return candidates.run(int(np.argmin(np.where(fast, stiffness(candidates), np.inf))))


def stiffness(problem: Separable) -> Array:
    """Largest eigenvalue of Z^T (diag p - p p^T) Z over the squared margin, p = alpha / sum alpha: across the direction
    the curvature of log Loss, and along it the squared gradient."""
    p = problem.duals / problem.duals.sum(-1, keepdims=True)
    centred = problem.Z - (p[..., None] * problem.Z).sum(-2, keepdims=True)
    return np.linalg.norm(np.sqrt(p)[..., None] * centred, ord=2, axis=(-2, -1)) ** 2 / problem.margin**2


def stable(problem: Separable, L: int) -> Array:
    """Half the largest stable step of `LogTimeDescent` late, at most that of stiffness 1: a step moves w by the rate
    times rho^(2 - 2/L) / (1 + |grad log Loss|^2), and |grad log Loss|^2 = L rho^(2 - 2/L) margin^2."""
    if L == 1:
        return (1 + problem.margin**-2) / np.maximum(stiffness(problem), 1)
    return np.minimum(L / stiffness(problem), 1)


def late(study: Study, loss: Loss, W: Layers, learning_rate: float | Array, steps: int) -> Trajectory:
    """Trained far, recorded at sizes each about twice the one before. The limits hold at any stable step size."""
    trainee = Trainee(study, loss, state_of(W), LogTimeDescent(loss))
    return trainee.train(learning_rate=learning_rate, steps=steps, record=[steps // k for k in (8, 4, 2, 1)])


def approach(rho: Array, error: Array, case: str) -> Measured:
    """lim rho x direction error (4, runs); the error is a difference of unit vectors."""
    return at_infinity("rho x direction error", rho * error, 64 * EPS * float(rho.max()), case)


def at_infinity(name: str, values: Array, rounding: float, case: str) -> Measured:
    """Limit of values (4, runs, ...) at sizes rho, 2 rho, 4 rho, 8 rho: the first power of 1 / rho is removed."""
    limits = 2 * values[1:] - values[:-1]
    because = (
        "twice the last change of the limit extrapolated in 1 / rho, of order 1 / rho^2 or log(rho) / rho, and eps"
    )
    within = Tolerance(2 * np.abs(limits[-1] - limits[-2]).max() + rounding, because)
    return measured(name, limits[-1], within=within, case=case, axes=("run", "entry"))
