r"""Weight decay on every layer of a student with one output: ridge regression, at any depth (ours).

The least sum_l |W_l|^2 of a product W is L |W|^(2/L), so that all layers together minimise

    1/2 |Y - W X|^2 + (gamma L / 2) |W|^(2/L),   whence   W = Y X^T (X X^T + mu I)^-1,  mu |W|^(2 - 2/L) = gamma:

a ridge whose strength mu the solution itself sets. At depth 3 and beyond mu |W_mu|^(2 - 2/L) has a largest value, above
which W = 0 is all that is left; below it the smaller of the two mu is the stable one.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from theory.core.arrays import Array
from theory.core.validation import inside, positive, positive_integer, reject
from theory.deep_linear.generalisation import best_ridge_strength
from theory.deep_linear.problem import Ensemble, TeacherStudent, generalisation_error

GRID = np.geomspace(1e-8, 1e4, 481)
BISECTIONS = 60


def ridge_modes(problem: TeacherStudent, strength: Float[Array, "*#draws"] | float) -> Float[Array, "*draws K r"]:
    """W U = Y V S / (S^2 + mu): Y X^T (X X^T + mu I)^-1 in the basis of the examples; mu one number, or one a draw."""
    mu = np.asarray(strength, dtype=np.float64)[..., None]
    return problem.targets * (problem.singular_values / (problem.rates + mu))[..., None, :]


def decay_that_holds(
    problem: TeacherStudent, strength: Float[Array, "*#draws"] | float, depth: int
) -> Float[Array, "*draws"]:
    """gamma = mu |W_mu|^(2 - 2/L): the weight decay at which ridge of strength mu is stationary."""
    size = np.sqrt((ridge_modes(problem, strength) ** 2).sum((-2, -1)))
    return strength * size ** (2 - 2 / depth)


def decayed_solution(problem: TeacherStudent, gamma: float, depth: int) -> Float[Array, "*draws K d"]:
    """W at the stable solution of each draw under weight decay gamma; 0 where there is none but W = 0.

    Raises:
        InvalidArgument: more than one output, gamma not above 0, a depth below 1.
    """
    if problem.K != 1:
        reject("K", problem.K, "1 output: with more, every singular value has a strength of its own")
    positive("gamma", gamma)
    positive_integer("depth", depth)
    holds = np.array([decay_that_holds(problem, mu, depth) for mu in GRID])
    enough = holds.max(0) >= gamma
    # The first strength on the grid that is enough, and the one before it, bracket the smaller root.
    first = np.maximum((holds >= gamma).argmax(0), 1)
    low, high = np.log(GRID[first - 1]), np.log(GRID[first])
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = decay_that_holds(problem, np.exp(middle), depth) >= gamma
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    modes = enough[..., None, None] * ridge_modes(problem, np.exp(high))
    return modes @ problem.basis.mT


def best_decay(ensemble: Ensemble, problem: TeacherStudent, depth: int) -> float:
    """The gamma with the least mean E_g over the draws of `problem`.

    Raises:
        InvalidArgument: no noise (weight decay should then vanish); see also `decayed_solution`.
    """
    inside("noise", ensemble.noise, 0, np.inf, "()")
    typical = np.log(decay_that_holds(problem, best_ridge_strength(ensemble), depth).mean())
    cost = lambda log_gamma: generalisation_error(  # noqa: E731
        ensemble, problem, decayed_solution(problem, float(np.exp(log_gamma)), depth)
    ).mean()
    best = minimize_scalar(cost, bounds=(typical - 1.5, typical + 1.5), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(best.x))
