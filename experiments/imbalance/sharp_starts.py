"""Where the bounds on the parameters are nearly equalities, and random starts beside."""

from dataclasses import dataclass

import numpy as np

from experiments.imbalance.own_pace import Paced
from theory.claims import Study, varies
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.validation import reject
from theory.imbalance import convergence
from theory.imbalance.problem import Network, coordinates, gaussian, orthogonal_rows

HIDDEN = 0.6  # of the level c are the squared rows of U1, the rest are those of V
CANDIDATES = 32  # random starts for each that is trained: those whose rate is largest beside their curvature


@dataclass(frozen=True)
class Starts(Paced):
    """Sharp starts: orthogonal rows, those of U1 of one length and those of V, a target of rank one."""

    targets: tuple[float, ...] = varies(
        "sizes of Theta_hat at the sharp starts, in units of c / 2", (0.01, 0.03, 0.1, 0.3), low=1e-3, high=0.3
    )
    rank: int = varies("of X, r", 3, low=1, high=20)
    outputs: int = varies("columns of Y, m", 2, low=1, high=20)
    singular_value: float = varies("of X, at the sharp starts", 1.3, low=0.1, high=10)
    runs: int = varies("random starts of each shape", 8, smoke=4, paper=32, low=1, high=100)

    def __post_init__(self) -> None:
        if len(set(self.targets)) < len(self.targets) or len(self.targets) > 12:
            reject("targets", self.targets, "at most twelve different ones")


def sharp(study: Study, starts: Starts) -> tuple[Regression, Network]:
    """One problem whose target has singular value sigma, so |Theta_hat| = 1, and a start for each of the targets:

    its level is c = 2 / target.
    """
    rng, sigma = study.rng("sharp"), starts.singular_value
    data = random_regression(
        rng, D=starts.rank + 2, n=starts.rank + 1, m=starts.outputs, singular_values=np.full(starts.rank, sigma)
    )
    row, column = (_unit(rng, size) for size in (starts.rank, starts.outputs))
    problem = Regression(data.X, sigma * data.W @ np.outer(row, column))
    unit = orthogonal_rows(
        problem,
        np.full(starts.rank, HIDDEN),
        np.full(starts.outputs, 1 - HIDDEN),
        rng,
        h=starts.rank + starts.outputs + 3,
    )
    scale = np.sqrt(levels(starts))[:, None, None]
    return problem, Network(scale * unit.U, scale * unit.V)


def levels(starts: Starts) -> Array:
    """c of the sharp starts."""
    return 2 / np.array(starts.targets)


def random(study: Study, r: int, m: int, h: int, runs: int) -> tuple[Regression, Network]:
    """A random problem and Gaussian starts; of `CANDIDATES` for each those whose rate is largest beside |Z|^2."""
    rng = study.rng("random", r, m, h)
    problem = random_regression(rng, D=r + 2, n=r + 1, m=m, singular_values=np.linspace(1.2, 0.8, r))
    drawn = gaussian(problem, h, rng, runs=CANDIDATES * runs)
    scale = np.exp(rng.uniform(-0.7, 0.7, (2, CANDIDATES * runs, 1, 1)))
    Z = Network(scale[0] * drawn.U, scale[1] * drawn.V)
    best = np.argsort(-_condition(problem, Z))[:runs]
    return problem, Network(Z.U[best], Z.V[best])


def _condition(problem: Regression, network: Network) -> Array:
    """c over |Z|_F^2."""
    Z = coordinates(problem, network)
    return np.asarray(convergence.level(problem, Z) / (Z**2).sum((-2, -1)))


def _unit(rng: np.random.Generator, size: int) -> Array:
    direction = rng.standard_normal(size)
    return direction / np.linalg.norm(direction)
