r"""Weight decay on every layer of a student with one output: ridge regression, at any depth (ours).

The least sum_l |W_l|^2 of a product W is L |W|^(2/L), so that all layers together minimise

    1/2 |Y - W X|^2 + (gamma L / 2) |W|^(2/L),   whence   W = Y X^T (X X^T + mu I)^-1,  mu |W|^(2 - 2/L) = gamma:

a ridge whose strength mu the solution itself sets. At depth 3 and beyond mu |W_mu|^(2 - 2/L) has a largest value, above
which W = 0 is all that is left; below it the smaller of the two mu is the stable one.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from theory.core.arrays import Array
from theory.core.validation import inside, positive, positive_integer, reject
from theory.deep_linear.generalisation import best_ridge_strength
from theory.deep_linear.problem import LARGEST, Ensemble, TeacherStudent, generalisation_error

GRID = 256  # strengths between the smallest rate and the largest, 1/3 apart in their logarithm at the very most
BISECTIONS = 60
STEPS = 20  # of a factor e^1.5 each, on the way to the best decay


def ridge_modes(problem: TeacherStudent, strength: Float[Array, "*#draws"] | float) -> Float[Array, "*draws K r"]:
    """W U = Y V S / (S^2 + mu): Y X^T (X X^T + mu I)^-1 in the basis of the examples; mu one number, or one a draw.

    At mu = 0 that is W^ U, at infinity 0.

    Raises:
        InvalidArgument: a strength below 0.
    """
    inside("strength", np.min(strength), 0, np.inf)
    return problem.targets * _shrinkage(problem, np.asarray(strength, dtype=np.float64))[..., None, :]


def decay_that_holds(
    problem: TeacherStudent, strength: Float[Array, "*#draws"] | float, depth: int
) -> Float[Array, "*draws"]:
    """gamma = mu |W_mu|^(2 - 2/L): the weight decay at which ridge of strength mu is stationary.

    Raises:
        InvalidArgument: a strength below 0 or infinite, a depth below 1.
    """
    positive_integer("depth", depth)
    inside("strength", np.max(strength), 0, np.inf, "[)")
    return strength * _size(problem, np.asarray(strength, dtype=np.float64)) ** (2 - 2 / depth)


def decayed_solution(problem: TeacherStudent, gamma: float, depth: int) -> Float[Array, "*draws K d"]:
    """W at the stable solution of each draw under weight decay gamma; 0 where there is none but W = 0.

    Of several, which rates that are orders apart allow, it is the largest.

    Raises:
        InvalidArgument: more than one output, gamma not above 0, a depth below 1, a fit above 1e150.
    """
    if problem.K != 1:
        reject("K", problem.K, "1 output: with more, every singular value has a strength of its own")
    positive("gamma", gamma)
    inside("largest entry of Y X^+", np.abs(problem.minimum_norm_solution).max(), 0, LARGEST)
    if positive_integer("depth", depth) == 1:
        return ridge_modes(problem, gamma) @ problem.basis.mT
    p, candidates = 2 - 2 / depth, _candidates(problem, gamma, depth)
    holds = candidates * _size(problem, candidates) ** p >= gamma
    # The first candidate that is enough, and the one before it, bracket the smallest root.
    first = np.maximum(holds.argmax(0), 1)[None]
    low, high = (np.log(np.take_along_axis(candidates, index, 0)[0]) for index in (first - 1, first))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = np.exp(middle) * _size(problem, np.exp(middle)) ** p >= gamma
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    modes = holds.any(0)[..., None, None] * ridge_modes(problem, np.exp(high))
    return modes @ problem.basis.mT


def _candidates(problem: TeacherStudent, gamma: float, depth: int) -> Array:
    """Strengths (k, *draws), increasing: the smallest root of mu |W_mu|^p = gamma, p = 2 - 2/L, has two for neighbours.

    As |W_mu| <= |W^|, it is no smaller than gamma / |W^|^p. As -d log |W_mu| / d log mu is a mean of mu / (lam_k + mu),
    mu |W_mu|^p rises up to lam_r / (p - 1) and falls from lam_1 / (p - 1) on: between them a grid is fine enough but
    for its largest value, which is added. At p = 1 it rises for ever, to |Y X^T|, and |W_mu| >= |Y X^T| / (lam_1 + mu).
    """
    p, rates = 2 - 2 / depth, problem.rates
    fitted = _size(problem, np.zeros(()))
    pull = np.linalg.norm(problem.targets * problem.singular_values[..., None, :], axis=(-2, -1))
    lowest = gamma / np.where(fitted > 0, fitted, 1.0) ** p / 2
    largest = np.where(rates[..., 0] > 0, rates[..., 0], 1.0)
    if depth == 2:
        reach = np.where(pull > gamma, gamma / np.where(pull > gamma, pull - gamma, 1.0), 1.0)
        return np.stack([lowest, np.maximum(2 * largest * reach, lowest)])
    smallest = np.where(rates > 0, rates, largest[..., None]).min(-1)
    grid = np.geomspace(smallest, largest, GRID) / (p - 1)
    peak = _peak(problem, grid, p)
    return np.sort(np.concatenate([np.minimum(lowest, grid[0])[None], grid, peak[None]]), axis=0)


def _peak(problem: TeacherStudent, grid: Array, p: float) -> Float[Array, "*draws"]:
    """The strength between neighbours in the grid at which mu |W_mu|^p is largest: where the slope's sign changes."""
    largest = (grid * _size(problem, grid) ** p).argmax(0)[None]
    ends = (np.clip(largest + step, 0, len(grid) - 1) for step in (-1, 1))
    low, high = (np.log(np.take_along_axis(grid, index, 0)[0]) for index in ends)
    squares = (problem.targets**2).sum(-2)
    for _ in range(BISECTIONS // 2):  # half of the digits are enough: at its top nothing changes by the others
        middle = (low + high) / 2
        mu = np.exp(middle)[..., None]
        slopes = (problem.rates - (p - 1) * mu) / (problem.rates + mu)
        rising = (squares * _shrinkage(problem, mu[..., 0]) ** 2 * slopes).sum(-1) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return np.exp(middle)


def _shrinkage(problem: TeacherStudent, mu: Array) -> Array:
    """S / (S^2 + mu), 0 at S = 0, for strengths (..., *draws)."""
    S = problem.singular_values
    return S / np.where(S > 0, S**2 + mu[..., None], 1.0)


def _size(problem: TeacherStudent, mu: Array) -> Array:
    """|W_mu| of strengths (..., *draws)."""
    return np.sqrt(((problem.targets**2).sum(-2) * _shrinkage(problem, mu) ** 2).sum(-1))


def best_decay(ensemble: Ensemble, problem: TeacherStudent, depth: int) -> float:
    """The gamma with the least mean E_g over the draws of `problem`.

    Raises:
        InvalidArgument: no noise (weight decay should then vanish); draws for which ever more decay, or ever less, is
            better; see also `decayed_solution`.
    """
    inside("noise", ensemble.noise, 0, np.inf, "()")
    ensemble.require(problem, "d", "n", "K")
    cost = lambda log_gamma: generalisation_error(  # noqa: E731
        ensemble, problem, decayed_solution(problem, float(np.exp(log_gamma)), depth)
    ).mean()
    near = lambda x: float(  # noqa: E731
        minimize_scalar(cost, bounds=(x - 1.5, x + 1.5), method="bounded", options={"xatol": 1e-3}).x
    )
    holds = decay_that_holds(problem, best_ridge_strength(ensemble), depth)
    centre = np.log(positive("the decay of the best ridge", float(holds.mean())))
    best = near(centre)
    if abs(best - centre) > 1.45:  # it is beyond
        best = near(_last_that_falls(cost, centre, np.copysign(1.5, best - centre)))
    if not decayed_solution(problem, float(np.exp(best)), depth).any():
        reject("problem", "draws of which the best decay leaves 0", "draws of which it leaves something")
    return float(np.exp(best))


def _last_that_falls(cost: Callable[[float], float], x: float, step: float) -> float:
    """Where `cost` of x, x + step, ... falls no further."""
    here = cost(x)
    for _ in range(STEPS):
        ahead = cost(x + step)
        if not ahead < here:
            break
        x, here = x + step, ahead
    else:
        reject("problem", "draws whose error falls for ever", "draws of which some decay is the best")
    return x
