"""Least squares: gradient descent and Halpern's iteration around it, solved at every step (ours).

In an eigendirection of H the step is w* + a (w - w*), so both iterations are geometric sums.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import inside, positive
from theory.halpern.schedules import Steps

Weights = Float[Array, "*runs D m"]
Iterates = Float[Array, "*steps_runs D m"]


def largest_step(problem: Regression) -> float:
    """2 / S_1^2: T is nonexpansive up to this learning rate."""
    return 2 / float(problem.S[0]) ** 2


def null_part(problem: Regression, w: Weights) -> Weights:
    """P_n w: what the data do not see."""
    return w - problem.Phi1 @ (problem.Phi1.T @ w)


def nearest_solution(problem: Regression, v: Weights) -> Weights:
    """w*(v) = pinv(X) Y + P_n v: the minimiser of the loss nearest to v."""
    return problem.minimum_norm_solution + null_part(problem, v)


def factors(problem: Regression, eta: float) -> Float[Array, " r"]:
    """a = 1 - eta S^2, by which a step shrinks the error in each eigendirection."""
    return 1 - positive("eta", eta) * problem.S**2


def descent_solution(problem: Regression, eta: float, w: Weights, k: Steps) -> Iterates:
    """w_k = w* + A^k (w - w*), w* = w*(w): gradient descent keeps P_n w. Shape (*steps, *runs, D, m).

    k is of any shape, and may be inf for eta below `largest_step`.

    >>> halves = Regression(np.array([[1.0, 0.0]]), np.array([[2.0]]))
    >>> descent_solution(halves, 0.5, np.array([[0.0], [3.0]]), np.array([0, 1, np.inf]))[..., 0].tolist()
    [[0.0, 3.0], [1.0, 3.0], [2.0, 3.0]]
    """
    limit = nearest_solution(problem, w)
    return limit + in_eigendirections(problem, _powers(problem, eta, k), w - limit)


def solution(problem: Regression, eta: float, w: Weights, v: Weights, k: Steps) -> Iterates:
    """w_k from the start w with the anchor v and lambda_k = 1/(k + 2). Shape (*steps, *runs, D, m).

    (k + 1) (w_k - w*) = A^k (w - w*) + sum_{j < k} A^j (v - w*),   w* = w*(v).

    k is of any shape, and may be inf for eta up to `largest_step`.

    >>> halves = Regression(np.array([[1.0, 0.0]]), np.array([[2.0]]))
    >>> solution(halves, 0.5, np.array([[0.0], [3.0]]), np.zeros((2, 1)), np.array([0, 1, np.inf]))[..., 0].tolist()
    [[0.0, 3.0], [0.5, 1.5], [2.0, 0.0]]
    """
    limit = nearest_solution(problem, v)
    powers = _powers(problem, eta, k)
    sums = (1 - powers) / (eta * problem.S**2)
    scaled = (
        null_part(problem, w - limit)
        + in_eigendirections(problem, powers, w - limit)
        + in_eigendirections(problem, sums, v - limit)
    )
    return limit + scaled / after_steps(np.asarray(k) + 1.0, w)


def scaled_error_limit(problem: Regression, eta: float, w: Weights, v: Weights) -> Weights:
    """lim (k + 1) (w_k - w*) = (eta H)^+ (v - w*) + P_n (w - v), for eta below `largest_step`."""
    seen = in_eigendirections(problem, 1 / (eta * problem.S**2), v - nearest_solution(problem, v))
    return seen + null_part(problem, w - v)


def scheduled_solution(
    problem: Regression, eta: float, left: Callable[[Steps], Array], w: Weights, k: Steps
) -> Iterates:
    """w_k with the anchor 0 and any weights; `left` is their P_k (see `schedules`), and must not be 0.

    w_k = P_k A^k w + sum_{j < k} (P_k / P_j) A^(k - 1 - j) (I - A) w*. Shape (*steps, *runs, D, m); k is finite.

    >>> halves = Regression(np.array([[1.0, 0.0]]), np.array([[2.0]]))
    >>> scheduled_solution(halves, 0.5, lambda k: 0.5**k, np.array([[0.0], [4.0]]), np.array([0, 2]))[..., 0].tolist()
    [[0.0, 4.0], [0.625, 1.0]]
    """
    left_k = after_steps(left(k), w)
    weights = np.stack([_target_weights(problem, eta, left, int(step)) for step in np.ravel(k)])
    return (
        left_k * null_part(problem, w)
        + left_k * in_eigendirections(problem, _powers(problem, eta, k), w)
        + in_eigendirections(
            problem,
            weights.reshape(*np.shape(k), -1),
            np.broadcast_to(problem.minimum_norm_solution, w.shape),
        )
    )


def ridge(problem: Regression, mu: float) -> Float[Array, "D m"]:
    """(H + mu)^-1 X^T Y: least 1/2 |X w - Y|^2 + mu/2 |w|^2."""
    S = problem.S
    return problem.Phi1 @ ((S / (S**2 + positive("mu", mu)))[:, None] * problem.targets)


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
    """
    return np.linalg.norm(problem.targets / problem.S[:, None] ** 5) / (eta * (k + 1.0)) ** 2


def in_eigendirections(problem: Regression, multipliers: Array, w: Array) -> Array:
    """Phi1 diag(multipliers) Phi1^T w, shape (*steps, *runs, D, m), multipliers (*steps, r)."""
    *steps, r = np.shape(multipliers)
    shaped = np.reshape(multipliers, (*steps, *[1] * (np.ndim(w) - 2), r, 1))
    return problem.Phi1 @ (shaped * (problem.Phi1.T @ w))


def after_steps(numbers: Array, w: Array) -> Array:
    """One number a step, shaped to multiply (*steps, *runs, D, m)."""
    return np.reshape(numbers, (*np.shape(numbers), *[1] * np.ndim(w)))


def _target_weights(problem: Regression, eta: float, left: Callable[[Steps], Array], k: int) -> Float[Array, " r"]:
    """sum_{j < k} (P_k / P_j) a^(k - 1 - j) (1 - a), by which w* counts in w_k."""
    a, j = factors(problem, eta), np.arange(k)
    return (left(np.array(k)) / left(j)) @ a ** (k - 1 - j)[:, None] * (1 - a)


def _powers(problem: Regression, eta: float, k: Steps) -> Array:
    """a^k, shape (*steps, r)."""
    return factors(problem, eta) ** np.asarray(k)[..., None]
