"""Step sizes g_t = c (t + a)^-q, t = 0, 1, ...: what Robbins and Monro ask of them, and where each leaves descent
without noise about a minimum, in a direction of rate h: theta <- (1 - g_t h) theta."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import inside, positive, reject, times

LARGE = 16.0  # from here on Stirling's series, as far as it is taken, is exact to rounding
MOST_CROSSINGS = 10**6


@dataclass(frozen=True)
class Schedule:
    """g_t = c (t + a)^-q.

    Raises:
        InvalidArgument: c or a not above 0, or q below 0.
    """

    c: float
    a: float = 1.0
    q: float = 1.0

    def __post_init__(self) -> None:
        positive("c", self.c)
        positive("a", self.a)
        inside("q", self.q, 0, np.inf, "[)")

    def __call__(self, t: Float[Array, "*times"] | float) -> Float[Array, "*times"] | float:
        return self.c * (times(t) + self.a) ** -self.q

    @property
    def reaches_everywhere(self) -> bool:
        """sum g_t = inf."""
        return self.q <= 1

    @property
    def averages_noise(self) -> bool:
        """sum g_t^2 < inf."""
        return self.q > 0.5

    @property
    def converges(self) -> bool:
        """Both: 1/2 < q <= 1."""
        return self.reaches_everywhere and self.averages_noise


def remaining(schedule: Schedule, h: float, t: Float[Array, "*times"] | float) -> Float[Array, "*times"] | float:
    """prod_{s < t} (1 - g_s h), what is left of theta: q = 0, 1 or 2, whole t of any shape, t = inf included.

    q = 1: Gamma(t + a - c h) Gamma(a) / (Gamma(t + a) Gamma(a - c h)), which falls as t^(-c h), and is 0 from the step
    on that lands on the minimum, t > c h - a where that is a whole number;
    q = 2: with r = sqrt(c h), the same quotient for r and for -r, which tends to Gamma(a)^2 / (Gamma(a - r)
    Gamma(a + r)), and not to 0.

    >>> remaining(Schedule(c=1.0, a=2.0, q=1.0), 1.0, np.array([0.0, 1.0, 3.0, np.inf])).round(12).tolist()
    [1.0, 0.5, 0.25, 0.0]

    Raises:
        InvalidArgument: another q, h below 0, a time that is negative, NaN or not whole, t = inf where a constant step
            overshoots by as much as it corrects or more, or more than a million steps overshoot.
    """
    c, t = schedule.c, times(t)
    strength = c * inside("h", h, 0, np.inf, "[)")
    inside("first step times h", float(schedule(0.0)) * h, 0, np.inf, "[)")
    if schedule.q not in (0, 1, 2):
        reject("q", schedule.q, "0, 1 or 2")
    if (fractions := t[t != np.floor(t)]).size:
        reject("t", fractions[0], "a whole number of steps")
    if schedule.q == 0:
        if np.isinf(t).any():
            inside("c h", strength, 0, 2, "[)")
        return (1 - strength) ** t
    return _product(schedule, strength, t)


def _product(schedule: Schedule, strength: float, t: Array) -> Array:
    """The product for q = 1 and 2: factor by factor while one may overshoot, then by Stirling's series.

    It is taken as sign and logarithm, since large rates overshoot to numbers beyond a float before they come back.
    """
    a, q = schedule.a, int(schedule.q)
    root = strength ** (1 / q)
    few = LARGE + inside("(c h)^(1 / q) - a", np.ceil(max(root - a, 0)), 0, MOST_CROSSINGS)
    at = np.arange(few) + a
    factors = (at - strength) / at if q == 1 else (at - root) / at * ((at + root) / at)
    signs = np.cumprod([1, *np.sign(factors)])
    with np.errstate(divide="ignore"):
        logs = np.cumsum([0, *np.log(np.abs(factors))])
    first = np.minimum(t, few).astype(int)
    start, end = a + few, a + np.maximum(t, few)
    inside("a + 16 - (c h)^(1 / q), as it is rounded,", start - root, LARGE - 1, np.inf)
    rest = sum(_excess(end, r) - _excess(start, r) for r in ((strength,) if q == 1 else (root, -root)))
    if q == 1 and strength > 0:
        rest = rest - strength * np.log(end / start)
    return signs[first] * np.exp(logs[first] + rest)


def _excess(x: Array | float, r: float) -> Array:
    """log(Gamma(x - r) / Gamma(x)) + r log x, which tends to 0, for x and x - r of at least `LARGE`.

    What is large in the two logarithms is taken out by hand: their difference would lose it.
    """
    finite = np.where(np.isinf(x), np.finfo(float).max, x)
    return (finite - r - 0.5) * np.log1p(-r / finite) + r + _stirling(finite - r) - _stirling(finite)


def _stirling(x: Array) -> Array:
    """log Gamma(x) - (x - 1/2) log x + x - log(2 pi) / 2."""
    y = x**-2.0
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188 - y * 691 / 360360))))) / x
