"""Step sizes g_t = c (t + a)^-q, t = 0, 1, ...: what Robbins and Monro ask of them, and where each leaves descent
without noise about a minimum, in a direction of rate h: theta <- (1 - g_t h) theta."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, gammasgn

from theory.core.arrays import Array
from theory.core.validation import inside, positive, reject, times


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
        return self.c * (t + self.a) ** -self.q

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
    """prod_{s < t} (1 - g_s h), what is left of theta: q = 0, 1 or 2, t of any shape, t = inf included.

    q = 1: Gamma(t + a - c h) Gamma(a) / (Gamma(t + a) Gamma(a - c h)), which falls as t^(-c h);
    q = 2: with r = sqrt(c h), the same quotient for r and for -r, which tends to Gamma(a)^2 / (Gamma(a - r)
    Gamma(a + r)), and not to 0.

    >>> remaining(Schedule(c=1.0, a=2.0, q=1.0), 1.0, np.array([0.0, 1.0, 3.0, np.inf])).round(12).tolist()
    [1.0, 0.5, 0.25, 0.0]

    Raises:
        InvalidArgument: another q, a time that is negative or NaN.
    """
    c, a, t = schedule.c, schedule.a, times(t)
    if schedule.q not in (0, 1, 2):
        reject("q", schedule.q, "0, 1 or 2")
    if schedule.q == 0:
        return (1 - c * h) ** t
    if schedule.q == 1:
        return np.where(np.isinf(t), 0.0, _quotient(a, c * h, t))
    return _quotient(a, np.sqrt(c * h), t) * _quotient(a, -np.sqrt(c * h), t)


def _quotient(a: float, r: float, t: Array | float) -> Array:
    """prod_{s < t} (1 - r / (s + a)), without its factor t^-r at t = inf, where the two of q = 2 cancel."""
    finite = np.where(np.isinf(t), 1.0, t)
    grown = gammaln(finite + a - r) - gammaln(finite + a)
    sign = gammasgn(a - r) * gammasgn(finite + a - r)
    return sign * np.exp(np.where(np.isinf(t), 0.0, grown) + gammaln(a) - gammaln(a - r))
