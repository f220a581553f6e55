r"""Gradient descent of one mode with a finite step: it converges from an ellipse, and triples an angle on its edge.

The loss is 1/2 (y - u . v)^2, u and v in R^h, y > 0, the learning rate eta. In units of the step

    a = eta y,  P = eta u . v = |U|^2 - |V|^2,  E = P - a,  U = (eta / 4)^(1/2) (u + v),  V = (eta / 4)^(1/2) (u - v),

a step is U <- (1 - E) U, V <- (1 + E) V, so that the imbalance D = |u|^2 - |v|^2 is multiplied by 1 - E^2, and

    F = |U|^2 / (2 + a) + |V|^2 / (2 - a):    F - 1 is multiplied by 1 + E P,

exactly. For 0 < a < 2 that factor is at least 1 - a^2 / 4 > 0: no step enters or leaves the ellipse F < 1, or its edge,
where E = 2 cos theta and a step is theta -> 3 theta. Data of one singular value S have eta S^2 in place of eta and
y / S in place of y; modes that are decoupled have one ellipse each.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import chi2

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive_integer, reject

MOST_TRIPLINGS = 33  # of an angle of 16 digits: then none is left
LARGEST_ANGLE = 1e3
POINTS = 1001  # of the trapezoidal rule
FAINT = 40.0  # e^-40 is what is left of a density where it is cut

Positive = Float[Array, "*#runs"] | float


def scaled_error(
    u: Float[Array, "*runs h"], v: Float[Array, "*runs h"], y: Positive, eta: Positive
) -> Float[Array, "*runs"] | float:
    """E = eta (u . v - y).

    Raises:
        InvalidArgument: weights that are not finite, a target or learning rate that is not above 0.
    """
    u, v, y, eta = _mode(u, v, y, eta)
    with np.errstate(over="ignore", invalid="ignore"):
        return _number(eta * (u * v).sum(-1) - eta * y)


def ellipse(
    u: Float[Array, "*runs h"], v: Float[Array, "*runs h"], y: Positive, eta: Positive
) -> Float[Array, "*runs"] | float:
    """F = eta |u + v|^2 / (4 (2 + eta y)) + eta |u - v|^2 / (4 (2 - eta y)): below 1 inside, above 1 outside.

    Inside, almost every start converges to a minimum if eta y < 1 and stays bounded if eta y > 1; outside, almost every
    start diverges.

    Raises:
        InvalidArgument: as `scaled_error`; or eta y is not below 2.
    """
    u, v, y, eta = _mode(u, v, y, eta)
    a = entries_inside("eta y", eta * y, 0, 2, "[)")
    with np.errstate(over="ignore"):
        along, across = (np.sqrt(eta) / 2 * np.linalg.norm(each, axis=-1) for each in (u + v, u - v))
        return along**2 / (2 + a) + across**2 / (2 - a)


def ellipse_after_step(
    u: Float[Array, "*runs h"], v: Float[Array, "*runs h"], y: Positive, eta: Positive
) -> Float[Array, "*runs"] | float:
    """F of the weights after a step of gradient descent, 1 + (1 + E P) (F - 1). Raises as `ellipse`."""
    F, E = ellipse(u, v, y, eta), scaled_error(u, v, y, eta)
    with np.errstate(over="ignore", invalid="ignore"):
        return _number(1 + (1 + E * (E + eta * np.asarray(y))) * (F - 1))


def imbalance_after_step(
    u: Float[Array, "*runs h"], v: Float[Array, "*runs h"], y: Positive, eta: Positive
) -> Float[Array, "*runs"] | float:
    """|u|^2 - |v|^2 of the weights after a step of gradient descent, 1 - E^2 times what it was. Raises as
    `scaled_error`."""
    E = scaled_error(u, v, y, eta)
    with np.errstate(over="ignore", invalid="ignore"):
        return _number((1 - E) * (1 + E) * ((u + v) * (u - v)).sum(-1))


def edge_angle(
    u: Float[Array, "*runs h"], v: Float[Array, "*runs h"], y: Positive, eta: Positive
) -> Float[Array, "*runs"] | float:
    """theta in [0, pi] of weights on the edge of the ellipse, E = 2 cos theta; off it, of the weights scaled onto it.

    tan(theta / 2) = |V| / |U| x ((2 + a) / (2 - a))^(1/2). Raises as `ellipse`; or all weights are 0.
    """
    u, v, y, eta = _mode(u, v, y, eta)
    a = entries_inside("eta y", eta * y, 0, 2, "[)")
    with np.errstate(over="ignore"):
        along, across = (np.linalg.norm(each, axis=-1) for each in (u + v, u - v))
    if not ((along > 0) | (across > 0)).all() or not np.isfinite(along + across).all():
        reject("(u, v)", "all 0 or beyond 1e150", "weights of which some are not 0, and whose squares are numbers")
    return 2 * np.arctan2(across * np.sqrt(2 + a), along * np.sqrt(2 - a))


def edge_errors(angle: Float[Array, "*runs"], steps: Int[Array, " times"]) -> Array:
    """E = 2 cos(3^t theta) (times, *runs) after t steps from the edge, Chebyshev's map E -> E^3 - 3 E again and again.

    Raises:
        InvalidArgument: an angle outside [-1000, 1000]; more than 33 steps, of which the 16 digits of an angle tell
            nothing.
    """
    angle = entries_inside("angle", angle, -LARGEST_ANGLE, LARGEST_ANGLE, "[]")
    entries_inside("steps", steps, 0, MOST_TRIPLINGS, "[]")
    return 2 * np.cos(np.multiply.outer(3.0**steps, angle))


def edge_repulsion(a: float | int) -> float:
    """arcosh((1 + (25 - 4 a^2)^(1/2)) / 4): rate a step at which |F - 1| grows beside the edge, averaged over it.

    It is the mean of log(1 + E P) = log(1 + a E + E^2) over E = 2 cos theta, theta uniform: of small a 2 log of the
    golden ratio, at a = 2 nothing.

    Raises:
        InvalidArgument: a = eta y outside [0, 2].
    """
    inside("a", a, 0, 2, "[]")
    # arcosh(1 + x) of x = (2 - a) (2 + a) / (root + 3), which keeps its digits near a = 2.
    x = (2.0 - a) * (2.0 + a) / (np.sqrt(25.0 - 4.0 * a * a) + 3.0)
    return float(np.log1p(x + np.sqrt(x * (x + 2))))


def critical_learning_rate(
    u: Float[Array, "*runs h"], v: Float[Array, "*runs h"], y: Positive
) -> Float[Array, "*runs"] | float:
    """eta* = min(1 / y, 8 / (Q + (c^2 + (4 y - 2 u . v)^2)^(1/2))): below it almost every such start converges.

    Q = |u|^2 + |v|^2, c = |u + v| |u - v|; the root is that of Q^2 - 16 y (u . v - y). For u . v = 0 and Q >> y it is
    4 / Q, four over the sharpness of the start.

    Raises:
        InvalidArgument: weights that are not finite, a target that is not above 0.
    """
    u, v, y, _ = _mode(u, v, y, 1.0)
    largest = np.maximum(np.abs(u).max(-1, initial=0.0), np.abs(v).max(-1, initial=0.0))
    unit = np.frexp(np.maximum(largest, np.sqrt(y)))[1]  # a power of two, which rounds nothing
    u, v = (np.ldexp(each, -np.expand_dims(unit, -1)) for each in (u, v))
    y = np.ldexp(np.ldexp(y, -unit), -unit)
    Q, p = (u**2 + v**2).sum(-1), (u * v).sum(-1)
    c = np.linalg.norm(u + v, axis=-1) * np.linalg.norm(u - v, axis=-1)
    with np.errstate(over="ignore", divide="ignore"):
        eta = np.minimum(1 / y, 8 / (Q + np.hypot(c, 4 * y - 2 * p)))
        return _number(np.ldexp(np.ldexp(eta, -unit), -unit))


def chance_inside(h: int, tau: float, y: float, eta: float) -> float:
    """P(F < 1) of weights u, v ~ N(0, tau^2 I_h), to 1e-14: of a start from which descent converges, if eta y < 1.

    F = (eta tau^2 / 2) (X / (2 + a) + X' / (2 - a)), X and X' independent chi-squared of h degrees of freedom. Their
    sum is one of 2 h degrees, independent of X / (X + X') = 1 / (1 + e^-z), and z has the density cosh(z / 2)^-h up to
    a constant.

    Raises:
        InvalidArgument: a width below 1, a tau, y or eta that is not above 0, eta y not below 2.
    """
    positive_integer("h", h)
    for name, value in (("tau", tau), ("y", y), ("eta", eta)):
        inside(name, value, 0, np.inf, "()")
    a = inside("eta y", eta * y, 0, 2, "[)")
    z = np.linspace(-1, 1, POINTS) * 2 * np.arccosh(np.exp(FAINT / h))
    share = 1 / (1 + np.exp(-z))
    density = np.exp(-h * np.log(np.cosh(z / 2)))
    with np.errstate(over="ignore", divide="ignore"):
        largest = 2 / (share / (2 + a) + (1 - share) / (2 - a)) / (np.float64(eta) * tau * tau)
    return float(density @ chi2(2 * h).cdf(largest) / density.sum())


def _mode(u: Array, v: Array, y: Positive, eta: Positive) -> tuple[Array, Array, Array, Array]:
    """The arguments as arrays, each in its range."""
    u, v = entries_inside("u", u), entries_inside("v", v)
    return u, v, entries_inside("y", y, 0, np.inf, "()"), entries_inside("eta", eta, 0, np.inf, "()")


def _number(value: Array) -> Array:
    """What is a number, though weights beyond the squares of floats may have none."""
    if np.isnan(value).any():
        reject("(u, v)", "weights beyond 1e150", "weights whose products are numbers")
    return value
