"""Runs of different speed in one batch: each is trained in its own unit of time, and by halves of the learning rate."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.imbalance.networks import largest_curvature, linear_network
from theory.claims import Study, varies
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.imbalance import convergence, dynamics
from theory.imbalance.problem import Network, coordinates

LOOK, RECORDS = 4.0, 9  # the path is looked at for so many units of time, so many times
STABLE = 0.5  # of learning rate x curvature: there Richardson's corrections still fall by halves


@dataclass(frozen=True)
class Paced:
    """How the runs of a batch are trained: in units of time 1 / k, k the rate at which |E| falls at least."""

    step: float = varies("largest learning rate, times k", 0.05, smoke=0.1, paper=0.02, low=0.01, high=0.1)
    end: float = varies("time at which weights count as converged, times k", 24.0, smoke=20.0, low=16, high=60)
    levels: int = varies("how many learning rates, each half the one before", 3, paper=4, low=3, high=5)


@dataclass(frozen=True)
class Path:
    """What was recorded of runs at one learning rate; the last record is the end.

    Attributes:
        t: times of the other records (T, runs), and `t_end` (runs,) of the last.
        Z: states at these times (T, runs, m + r, h), and `Z_end` (runs, m + r, h).
    """

    problem: Regression
    t: Array
    Z: Array
    t_end: Array
    Z_end: Array

    @property
    def distance(self) -> Array:
        """|Z(t) - Z(inf)|_F (T, runs)."""
        return np.linalg.norm(self.Z - self.Z_end, axis=(-2, -1))

    @property
    def largest(self) -> Array:
        """The largest (|U1|_2^2 + |V|_2^2)^(1/2) that was recorded from each time onwards (T, runs)."""
        V, U1 = dynamics.split(self.problem, np.concatenate([self.Z, self.Z_end[None]]))
        sizes = np.hypot(*(np.linalg.norm(part, ord=2, axis=(-2, -1)) for part in (U1, V)))
        return np.maximum.accumulate(sizes[::-1])[::-1][:-1]

    @property
    def squared_norm(self) -> Array:
        """|Z|_F^2 (T + 1, runs), the end last."""
        return (np.concatenate([self.Z, self.Z_end[None]]) ** 2).sum((-2, -1))

    @property
    def residual(self) -> Array:
        """|E|_F at the end (runs,)."""
        return np.linalg.norm(dynamics.residual(self.problem, self.Z_end), axis=(-2, -1))


def pace(problem: Regression, network: Network) -> Array:
    """k = lambda_r(Sigma_x) c of each run."""
    return np.asarray(convergence.convergence_rate(problem, network) / 2)


def paths(study: Study, problem: Regression, network: Network, paced: Paced) -> list[Path]:
    """The same training at learning rates step / k, half of it, ..., coarse to fine.

    The largest step is the smaller of what was asked for and what shows the first order in it, in every run.
    """
    k = pace(problem, network)
    stable = min(STABLE * rate / largest_curvature(problem, run) for rate, run in zip(k, singly(network)))
    trainee = linear_network(study, problem, network)
    between = int(np.ceil(LOOK / min(paced.step, stable) / (RECORDS - 1)))
    step = LOOK / between / (RECORDS - 1)
    last = int(np.ceil(paced.end / step))
    found = []
    for halves in (2**level for level in range(paced.levels)):
        record = [halves * between * i for i in range(RECORDS)] + [halves * last]
        run = trainee.train(learning_rate=step / k / halves, steps=halves * last, record=record)
        found.append(_path(problem, run))
    return found


def _path(problem: Regression, run: Trajectory) -> Path:
    Z = coordinates(problem, Network(run["U"], run["V"]))
    return Path(problem, run.t[:-1], Z[:-1], run.t[-1], Z[-1])


def singly(network: Network) -> list[Network]:
    """Each run by itself."""
    return [Network(network.U[i : i + 1], network.V[i : i + 1]) for i in range(len(network.U))]


def at_own_times(
    bound: Callable[[Regression, Network, Array], Array], problem: Regression, network: Network, t: Array
) -> Array:
    """A bound (problem, network, times) -> (*times, *runs) of each run at its own times t (T, runs): (T, runs)."""
    return np.stack([bound(problem, run, t[:, i])[:, 0] for i, run in enumerate(singly(network))], axis=1)
