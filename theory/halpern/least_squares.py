"""Least squares: gradient descent and Halpern's iteration around it, solved at every step (ours).

In an eigendirection of H the step is w* + a (w - w*), a = 1 - x, so both iterations are geometric sums. They are taken
from x = eta h, which may be small: what is slow keeps its digits, and w* may be large against all iterates.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import xlog1py

from theory.core.arrays import EPS, Array
from theory.core.regression import Regression
from theory.core.validation import entries_inside, inside, positive, reject
from theory.halpern.schedules import Steps, counted, harmonic

MOST_SUMMED = 10_000_000

Weights = Float[Array, "*runs D m"]
Iterates = Float[Array, "*steps_runs D m"]


def largest_step(problem: Regression) -> float:
    """2 / S_1^2: T is nonexpansive up to this learning rate."""
    S = float(problem.S[0])
    return 2 / S / S


def null_part(problem: Regression, w: Weights) -> Weights:
    """P_n w: what the data do not see.

    Raises:
        InvalidArgument: weights that are not finite.
    """
    return entries_inside("P_n w", w - problem.Phi1 @ (problem.Phi1.T @ w))


def nearest_solution(problem: Regression, v: Weights) -> Weights:
    """w*(v) = pinv(X) Y + P_n v: the minimiser of the loss nearest to v."""
    return problem.minimum_norm_solution + null_part(problem, v)


def factors(problem: Regression, eta: float) -> Float[Array, " r"]:
    """a = 1 - eta S^2, by which a step shrinks the error in each eigendirection."""
    return 1 - shares(problem, eta)


def shares(problem: Regression, eta: float) -> Float[Array, " r"]:
    """x = eta S^2, of which S^2 alone may overflow: what a step takes of the error in each eigendirection."""
    return positive("eta", eta) * problem.S * problem.S


def descent_solution(problem: Regression, eta: float, w: Weights, k: Steps) -> Iterates:
    """w_k = w* + A^k (w - w*), w* = w*(w): gradient descent keeps P_n w. Shape (*steps, *runs, D, m).

    k is of any shape, and may be inf for eta below `largest_step`. Raises as `whole_steps`.

    >>> halves = Regression(np.array([[1.0, 0.0]]), np.array([[2.0]]))
    >>> descent_solution(halves, 0.5, np.array([[0.0], [3.0]]), np.array([0, 1, np.inf]))[..., 0].tolist()
    [[0.0, 3.0], [1.0, 3.0], [2.0, 3.0]]
    """
    x, steps = shares(problem, eta), whole_steps(problem, eta, k)
    if np.isinf(steps).any() and x[0] >= 2:
        reject("eta", eta, f"a learning rate below {largest_step(problem):g}: without end descent oscillates")
    seen = in_eigendirections(problem, powers(x, steps), w) + towards(problem, x * sums(x, steps), w)
    return null_part(problem, w) + seen


def solution(problem: Regression, eta: float, w: Weights, v: Weights, k: Steps) -> Iterates:
    """w_k from the start w with the anchor v and lambda_k = 1/(k + 2). Shape (*steps, *runs, D, m).

    (k + 1) (w_k - w*) = A^k (w - w*) + sum_{j < k} A^j (v - w*),   w* = w*(v).

    k is of any shape, and may be inf for eta up to `largest_step`. Raises as `whole_steps`.

    >>> halves = Regression(np.array([[1.0, 0.0]]), np.array([[2.0]]))
    >>> solution(halves, 0.5, np.array([[0.0], [3.0]]), np.zeros((2, 1)), np.array([0, 1, np.inf]))[..., 0].tolist()
    [[0.0, 3.0], [0.5, 1.5], [2.0, 0.0]]
    """
    x, steps = shares(problem, eta), whole_steps(problem, eta, k)
    scaled = (
        null_part(problem, w - v)
        + in_eigendirections(problem, powers(x, steps), w)
        + in_eigendirections(problem, sums(x, steps), v)
    )
    return null_part(problem, v) + scaled / after_steps(steps + 1, w) + towards(problem, mean_gone(x, steps), w)


def scaled_error_limit(problem: Regression, eta: float, w: Weights, v: Weights) -> Weights:
    """lim (k + 1) (w_k - w*) = (eta H)^+ (v - w*) + P_n (w - v).

    Raises:
        InvalidArgument: eta not below `largest_step`, where there is no limit.
    """
    inside("eta", eta, 0, largest_step(problem), "()")
    seen = in_eigendirections(problem, 1 / shares(problem, eta), v - nearest_solution(problem, v))
    return seen + null_part(problem, w - v)


def scheduled_solution(
    problem: Regression, eta: float, left: Callable[[Steps], Array], w: Weights, k: Steps
) -> Iterates:
    """w_k with the anchor 0 and any weights; `left` is their P_k (see `schedules`), and must not be 0.

    w_k = P_k A^k w + sum_{j < k} (P_k / P_j) A^(k - 1 - j) (I - A) w*. Shape (*steps, *runs, D, m); k is finite, and
    the sums are taken term by term. Raises as `whole_steps`, and for more than 10^7 steps.

    >>> halves = Regression(np.array([[1.0, 0.0]]), np.array([[2.0]]))
    >>> scheduled_solution(halves, 0.5, lambda k: 0.5**k, np.array([[0.0], [4.0]]), np.array([0, 2]))[..., 0].tolist()
    [[0.0, 4.0], [0.625, 1.0]]
    """
    steps = whole_steps(problem, eta, k)
    inside("k", np.max(steps), 0, MOST_SUMMED)
    left_k = after_steps(left(steps), w)
    weights = np.stack([_target_weights(problem, eta, left, int(step)) for step in np.ravel(steps)])
    return (
        left_k * null_part(problem, w)
        + left_k * in_eigendirections(problem, powers(shares(problem, eta), steps), w)
        + towards(problem, weights.reshape(*np.shape(steps), -1), w)
    )


def ridge(problem: Regression, mu: float) -> Float[Array, "D m"]:
    """(H + mu)^-1 X^T Y: least 1/2 |X w - Y|^2 + mu/2 |w|^2."""
    S = problem.S
    return problem.Phi1 @ (problem.targets / (S + positive("mu", mu) / S)[:, None])


def ridge_of_constant_weight(eta: float, weight: float) -> float:
    """mu = lambda / ((1 - lambda) eta): Halpern's iteration with lambda_k = lambda rests at ridge regression.

    Raises:
        InvalidArgument: a weight outside (0, 1), a learning rate that is not above 0.
    """
    inside("weight", weight, 0, 1, "()")
    return weight / ((1 - weight) * positive("eta", eta))


def distance_to_ridge(problem: Regression, eta: float, k: Steps) -> Float[Array, "*steps"] | float:
    """|(eta H)^-2 w*| / (k + 1)^2: bounds the distance of w_k, w = v = 0, from ridge regression, mu = 1/(eta (k + 1)).

    In an eigendirection w_k - w* = -(1 - a^(k + 1)) w*/x with x = eta h (k + 1), and ridge has -w*/(x + 1); for
    0 <= a < 1, a^(k + 1) <= e^-x < 1/(x + 1), so they differ by less than w*/(x (x + 1)).

    Raises:
        InvalidArgument: eta above 1 / S_1^2, where a < 0; k negative or NaN; a distance beyond floating point.
    """
    inside("eta", eta, 0, (1 + 4 * EPS) * largest_step(problem) / 2, "(]")
    x = shares(problem, eta)[:, None]
    size = np.hypot.reduce(np.ravel(problem.targets / problem.S[:, None] / x / x))
    return entries_inside("distance", size * harmonic(k) ** 2)


def in_eigendirections(problem: Regression, multipliers: Array, w: Array) -> Array:
    """Phi1 diag(multipliers) Phi1^T w, shape (*steps, *runs, D, m), multipliers (*steps, r).

    Raises:
        InvalidArgument: weights that are not finite, or multiplied to numbers beyond floating point.
    """
    *steps, r = np.shape(multipliers)
    shaped = np.reshape(multipliers, (*steps, *[1] * (np.ndim(w) - 2), r, 1))
    return entries_inside("multiplied weights", problem.Phi1 @ (shaped * (problem.Phi1.T @ w)))


def whole_steps(problem: Regression, eta: float, k: Steps) -> Float[Array, "*steps"]:
    """k as floating-point numbers.

    Raises:
        InvalidArgument: eta not above 0, or infinite k above `largest_step`; k negative, NaN or not whole.
    """
    steps = counted(k)
    positive("eta", eta)
    if (np.isfinite(steps) & (steps != np.floor(steps))).any():
        reject("k", np.max(steps), "whole numbers of steps")
    if np.isinf(steps).any() and eta > (1 + 4 * EPS) * largest_step(problem):
        reject("eta", eta, f"a learning rate of at most {largest_step(problem):g}: beyond, the iteration diverges")
    return steps


def powers(x: Float[Array, " r"], k: Float[Array, "*steps"]) -> Float[Array, "*steps r"]:
    """(1 - x)^k."""
    k = k[..., None]
    odd = np.where(np.isinf(k), 0.0, k) % 2 == 1
    return np.where((x > 1) & odd, -1.0, 1.0) * np.exp(_log_power(x, k))


def sums(x: Float[Array, " r"], k: Float[Array, "*steps"]) -> Float[Array, "*steps r"]:
    """sum_{j < k} (1 - x)^j = (1 - (1 - x)^k) / x."""
    gone = np.where(x < 1, -np.expm1(_log_power(x, k[..., None])), 1 - powers(x, k))
    return np.where(x == 0, k[..., None], gone / np.where(x == 0, 1.0, x))


def _log_power(x: Array, k: Array) -> Array:
    """k log |1 - x|."""
    beyond_one = np.where(x > 1, x - 2, -x)
    with np.errstate(invalid="ignore"):
        return np.where(beyond_one == 0, 0.0, xlog1py(k, beyond_one))


def mean_gone(x: Float[Array, " r"], k: Float[Array, "*steps"]) -> Float[Array, "*steps r"]:
    """sum_{j <= k} (1 - (1 - x)^j) / (k + 1): by how much w* counts after k steps of Halpern's iteration."""
    finite = np.where(np.isinf(k), 0.0, k)[..., None]
    direct = (finite - (1 - x) * sums(x, finite[..., 0])) / (finite + 1)
    # Where few have gone they are the difference of large numbers; x k / 2 - x^2 k (k - 1) / 6 + ... is not.
    term = series = np.minimum(x * finite, 1) / 2
    for m in range(1, 20):
        term = term * np.minimum(x * np.maximum(finite - m, 0), 1) / -(m + 2)
        series = series + term
    return np.where(np.isinf(k)[..., None], np.sign(x), np.where(x * finite < 0.5, series, direct))


def towards(problem: Regression, share: Array, w: Weights) -> Array:
    """`share` (*steps, r) of w* in each eigendirection, for the runs of w."""
    return in_eigendirections(problem, share, np.broadcast_to(problem.minimum_norm_solution, w.shape))


def after_steps(numbers: Array, w: Array) -> Array:
    """One number a step, shaped to multiply (*steps, *runs, D, m)."""
    return np.reshape(numbers, (*np.shape(numbers), *[1] * np.ndim(w)))


def _target_weights(problem: Regression, eta: float, left: Callable[[Steps], Array], k: int) -> Float[Array, " r"]:
    """sum_{j < k} (P_k / P_j) a^(k - 1 - j) (1 - a), by which w* counts in w_k."""
    x, j = shares(problem, eta), np.arange(k)
    return (left(np.array(k)) / left(j)) @ powers(x, k - 1.0 - j) * x
