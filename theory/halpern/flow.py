"""Vanishing regularisation: w' = -grad L - c w / (1 + t), the flow of norm-minimising descent (after Attouch &
Cominetti 1996: it finds the solution of least norm if the regularisation vanishes, but not too fast)."""

import numpy as np
from jaxtyping import Float
from scipy.special import hyp1f1, xlog1py

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import entries_inside, inside, times
from theory.halpern.least_squares import null_part

SMALL = 1e-6

Times = Float[Array, "*times"] | float


def share_left(c: float, power: float, t: Times) -> Float[Array, "*times"] | float:
    """exp(-int_0^t c / (1 + s)^power ds): what is left of the weights the data do not see, at any loss.

    (1 + t)^-c at power 1. For power > 1 it stops at e^(-c / (power - 1)).

    Raises:
        InvalidArgument: c below 0, a power that is not finite, a negative or NaN time.
    """
    grown = np.log1p(times(t))
    inside("power", power, -np.inf, np.inf, "()")
    if inside("c", c, 0, np.inf, "[)") == 0:
        return np.ones_like(grown)
    if power == 1:
        return np.exp(-c * grown)
    return np.exp(-c * np.expm1((1 - power) * grown) / (1 - power))


def rest_point(
    c: float, h: Float[Array, "*#shape"] | float, u: Float[Array, "*#shape"] | float
) -> Float[Array, "*shape"]:
    """g(u) = h u / (c + 1) M(1, c + 2, -h u), M Kummer's 1F1: the solution of g' = h (1 - g) - c g / u regular at 0.

    It is where the flow tends to at u = 1 + t, in units of w*: g = 1 - c / (h u) + ...; at c = 1,
    g = 1 - 1 / (h u) + e^(-h u) / (h u).

    Raises:
        InvalidArgument: c below 0 or infinite, h u negative or NaN.
    """
    inside("c", c, 0, np.inf, "[)")
    h, u = np.broadcast_arrays(np.asarray(h, dtype=np.float64), np.asarray(u, dtype=np.float64))
    z = entries_inside("h u", h * np.where(h == 0, 0.0, u), 0, np.inf, "[]")  # what no example sees stays at 0 for ever
    # At both ends M's series: scipy has NaN or 0 there (c = 40, z = 1e-300 or 1e14).
    small, large = z < SMALL, z > (1 + c) / SMALL
    near = z / (c + 1) * (1 - np.where(small, z, 0.0) / (c + 2))
    far = 1 - c / np.where(large, z, 1.0) * (1 + (1 - c) / np.where(large, z, 1.0))
    between = z / (c + 1) * hyp1f1(1.0, c + 2.0, -np.where(small | large, 1.0, z))
    return np.where(small, near, np.where(large, far, between))


def solution(
    problem: Regression, c: float, w: Float[Array, "*runs D m"], t: Times, since: float = 0.0
) -> Float[Array, "*times_runs D m"]:
    """w(t) of the flow with lambda = c / (1 + t) on least squares from w at time `since`; shape (*times, *runs, D, m).

    w = g(u) w* + e^(-h (t - since)) (u_0 / u)^c (w(since) - g(u_0) w*) in an eigendirection, u = 1 + t, and
    (u_0 / u)^c w(since) where h = 0. (The textbook form has 1F1(c + 1; c + 2; h u), which overflows; Kummer's
    transformation removes the exponential.)

    >>> one = Regression(np.array([[1.0, 0.0]]), np.array([[2.0]]))
    >>> solution(one, 1.0, np.array([[0.0], [3.0]]), np.array([0.0, 2.0, np.inf]))[..., 0].round(3).tolist()
    [[0.0, 3.0], [1.333, 1.0], [2.0, 0.0]]

    Raises:
        InvalidArgument: c below 0, a time that is negative, NaN or before `since`, which is finite; weights, or what
            becomes of them, that are not finite.
    """
    inside("c", c, 0, np.inf, "[)")
    inside("since", since, 0, np.inf, "[)")
    t = times(t)
    if np.size(t):
        inside("t", np.min(t), since, np.inf)
    S, u0, later = problem.S, 1 + since, t[..., None] - since  # S^2 alone may underflow
    left = np.exp(-xlog1py(c, later / u0))
    shape = lambda a: a.reshape(*t.shape, *[1] * (w.ndim - 2), -1, 1)  # noqa: E731
    fading = shape(np.exp(-S * (S * later)) * left)
    target = problem.targets / S[:, None]
    seen = shape(rest_point(c, S, S * (1 + t[..., None]))) * target
    seen = seen + fading * (problem.Phi1.T @ w - rest_point(c, S, S * u0)[:, None] * target)
    return entries_inside("w(t)", problem.Phi1 @ seen + shape(left) * null_part(problem, w))


def scaled_bias(problem: Regression, c: float) -> Float[Array, "D m"]:
    """lim (1 + t) (w - w*) in the row space, -c H^+ w*: the price of forgetting the start.

    Raises:
        InvalidArgument: c below 0 or infinite, or a bias beyond floating point.
    """
    S = problem.S[:, None]
    seen = inside("c", c, 0, np.inf, "[)") * (problem.targets / S / S / S)
    return entries_inside("bias", -problem.Phi1 @ seen)
