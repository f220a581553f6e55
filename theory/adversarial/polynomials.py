"""Steps as polynomials of one inner product t in [-1, 1]: near 0 up to `low`, near 1 from `high` on.

Around x_i lie the t >= high = 1 - rho^2 / 2, around all others t <= low = 1 - (delta - rho)^2 / 2, and
high - low = gamma / 2.
"""

import numpy as np
from numpy.polynomial import chebyshev
from scipy.optimize import linprog

from theory.core.arrays import Array
from theory.core.validation import inside, positive, positive_integer, reject

DENSE = 16  # nodes a degree
HIGHEST = 80  # degree of a linear program


def interval(delta: float, rho: float) -> tuple[float, float]:
    """(low, high) of inputs of length 1 that are delta apart, and an adversary that moves them by rho.

    Raises:
        InvalidArgument: delta outside (0, 2], or no rho in [0, delta / 2).
    """
    delta = inside("delta", delta, 0, 2, "(]")
    rho = inside("rho", rho, 0, delta / 2, "[)")
    return 1 - (delta - rho) ** 2 / 2, 1 - rho**2 / 2


def error_at_one(degree: int, low: float) -> float:
    """1 / (1 + T_D((3 - low) / (1 + low))): the least e of q with |q| <= e up to `low` and q(1) >= 1 - e: exact (ours).

    No polynomial grows faster outside an interval than Chebyshev's T_D.

    Raises:
        InvalidArgument: a degree that is no whole number of at least 1, low outside (-1, 1).
    """
    return error_at_least(degree, low, 1.0)


def error_at_least(degree: int, low: float, high: float) -> float:
    """1 / (1 + T_D((2 high + 1 - low) / (1 + low))): no q of this degree has a smaller error on both sides (ours).

    Raises:
        InvalidArgument: see `error_at_one`; high outside (low, 1].
    """
    degree, (low, high) = positive_integer("degree", degree), _step(low, high)
    with np.errstate(over="ignore"):
        return float(1 / (1 + np.cosh(degree * _growth(low, high))))


def degree_at_least(error: float, low: float, high: float) -> float:
    """arcosh(1 / e - 1) / arcosh((2 high + 1 - low) / (1 + low)): no step of error e has a smaller degree (ours).

    At high = 1, rho = 0, it suffices, and is log(2 / e) / sqrt(gamma) for small gamma and e.

    Raises:
        InvalidArgument: an error outside (0, 1/2], or see `error_at_least`.
    """
    e, (low, high) = inside("error", error, 0, 0.5, "(]"), _step(low, high)
    return float(np.arccosh(1 / e - 1) / _growth(low, high))


def best(degree: int, low: float, high: float) -> tuple[float, Array]:
    """The least e with |q| <= e on [-1, low] and |q - 1| <= e on [high, 1], and the coefficients of q in T_0, T_1, ...

    A linear program on Chebyshev's nodes of either interval: between N of them a polynomial of degree D exceeds what it
    is at them by 1 / cos(pi D / (2 N)) at most (Ehlich & Zeller 1964), and e is given as so much.

    Raises:
        InvalidArgument: see `error_at_least`; a degree above 80.
    """
    low, high = _step(low, high)
    D = positive_integer("degree", degree)
    if D > HIGHEST:
        reject("degree", D, f"at most {HIGHEST}")
    count = DENSE * D
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    below, above = -1 + (low + 1) * (1 + nodes) / 2, high + (1 - high) * (1 + nodes) / 2
    V, size = chebyshev.chebvander(np.concatenate([below, above]), D), np.ones((2 * count, 1))
    target = np.repeat([0.0, 1.0], count)
    found = linprog(
        np.append(np.zeros(D + 1), 1.0),
        A_ub=np.block([[V, -size], [-V, -size]]),
        b_ub=np.concatenate([target, -target]),
        bounds=[(None, None)] * (D + 1) + [(0, None)],
    )
    if not found.success:
        reject("degree", D, f"one at which the linear program is solved, not one where {found.message}")
    return float(found.x[-1] / np.cos(np.pi / (2 * DENSE))), found.x[:-1]


def rate(low: float, high: float) -> float:
    """g: the least error falls like exp(-g D) D^(-1/2), by the critical value of Green's function (Fuchs 1978).

    That of the plane without the two intervals, with its pole at infinity, where its gradient vanishes in the gap.
    For a gap gamma / 2 that is small beside the others' distances it is gamma / (4 sqrt(1 - t^2)), t in the gap: so
    about log(1/e) 4 rho / gamma is the degree where gamma is below rho^2, and never more than log(1/e) 4 / gamma.

    Raises:
        InvalidArgument: see `error_at_least`; high at 1, where the second interval is a point.
    """
    low, high = _step(low, high)
    if high == 1:
        reject("high", high, f"a number in ({low:g}, 1), see degree_at_least")
    middle, half = (low + high) / 2, (high - low) / 2
    nodes, weights = np.polynomial.legendre.leggauss(200)

    def field(s: Array) -> Array:
        t = half * np.sin(s)
        return 1 / np.sqrt((1 + middle + t) * (1 - middle - t))

    all_of = np.pi / 2 * nodes
    centre = weights @ (np.sin(all_of) * field(all_of)) / (weights @ field(all_of))  # in half gaps from the middle
    until = np.arcsin(centre)
    s = -np.pi / 2 + (until + np.pi / 2) * (1 + nodes) / 2
    return float(half * (until + np.pi / 2) / 2 * weights @ ((centre - np.sin(s)) * field(s)))


def degree_at_most(error: float, gamma: float) -> float:
    """4 log(1 / e) / gamma: steps of error e exist from this degree on (the paper's order, our constant; checked).

    Raises:
        InvalidArgument: an error outside (0, 1), a gamma that is not above 0.
    """
    return float(-4 * np.log(inside("error", error, 0, 1, "()")) / positive("gamma", gamma))


def _step(low: float, high: float) -> tuple[float, float]:
    low = inside("low", low, -1, 1, "()")
    high = inside("high", high, low, 1, "(]")
    if not high - low > 1e-6 or not low > -1 + 1e-6:
        reject("high - low", high - low, "a gap of more than 1e-6, and low as far above -1")
    return low, high


def _growth(low: float, high: float) -> float:
    """arcosh of where `high` is, on the scale on which [-1, low] is [-1, 1]; exact near 1."""
    beyond = 2 * (high - low) / (1 + low)
    return float(np.log1p(beyond + np.sqrt(beyond * (beyond + 2))))
