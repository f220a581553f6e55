r"""Descent on the parameter of Cayley's map, where the target turns one plane by phi: exponential, but for phi = pi.

The plane's angle is theta = 2 arctan(b), b = kappa a, where R = (I - kappa A)^-1 (I + kappa A) and A_21 = a = -A_12;
kappa = 1 is the published map, kappa = 1/2 torch's. The loss is L = m (1 - cos(theta - phi)), where m = s_i + s_j is
the sum of the two singular values of M in that plane.

Cayley's map never has the eigenvalue -1, so phi = pi is reached at a = infinity only:

    L = 2 m / (1 + b^2),    b' = 4 m kappa^2 b / (1 + b^2)^2,    L ~ (m / t)^(1/2) / (2 kappa).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive, times
from theory.orthogonal.decay import turned_back

NEWTON_STEPS = 60  # from above, on a convex increasing function: more than any start needs
LATE = 25.0  # ln b from which on F = b^4 / 4 to rounding
LARGEST_START = 1e70  # its fourth power is still a float


@dataclass(frozen=True)
class Plane:
    """m = s_i + s_j of the plane that turns, kappa of the map; both above 0."""

    m: float
    kappa: float = 1.0

    def __post_init__(self) -> None:
        positive("m", self.m)
        positive("kappa", self.kappa)
        positive("m kappa^2", self.m * self.kappa * self.kappa)


def half_turn_loss(plane: Plane, a: Float[Array, "*shape"] | float) -> Float[Array, "*shape"] | float:
    """Loss 2 m / (1 + kappa^2 a^2) above that of a target turned by pi."""
    hypotenuse = np.hypot(1, np.multiply(plane.kappa, a))
    return 2 * plane.m / hypotenuse / hypotenuse


def half_turn_time(
    plane: Plane, start: Float[Array, "*#shape"] | float, a: Float[Array, "*#shape"] | float
) -> Float[Array, "*shape"] | float:
    """When the flow from `start` is at a: t = (F(b) - F(b_0)) / (4 m kappa^2), F = ln b + b^2 + b^4 / 4.

    Raises:
        InvalidArgument: a kappa start not in (0, 1e70], or an a not above 0.
    """
    _require_start(plane.kappa * np.asarray(start))
    inside("a", np.min(a), 0, np.inf, "(]")
    return (_clock(plane.kappa * a) - _clock(plane.kappa * start)) / (4 * plane.m * plane.kappa * plane.kappa)


def half_turn_solution(
    plane: Plane, start: Float[Array, "*runs"] | float, t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs"] | float:
    """a(t) of the flow from `start` towards pi, shape (*times, *runs); infinite at t = infinity.

    >>> half_turn_solution(Plane(m=1.4), 0.5, np.array([0.0, 1.0, np.inf])).round(3)
    array([0.5  , 1.661,   inf])

    Raises:
        InvalidArgument: a kappa start not in (0, 1e70] (at 0 the flow rests), a negative or NaN time.
    """
    _require_start(plane.kappa * np.asarray(start))
    t, b = times(t)[(..., *[None] * np.ndim(start))], plane.kappa * np.asarray(start)
    clock = _clock(b) + 4 * plane.m * plane.kappa * plane.kappa * t
    # F > b^4 / 4 from b = 1 on, and F is convex and increasing in ln b: Newton comes down to the root.
    with np.errstate(invalid="ignore"):
        late = (np.log(np.maximum(clock, 0.25)) + np.log(4)) / 4
        y, near = np.minimum(late, LATE), np.minimum(clock, np.exp(4 * LATE) / 4)
        for _ in range(NEWTON_STEPS):
            y = y - (y + np.exp(2 * y) + np.exp(4 * y) / 4 - near) / (1 + np.exp(2 * y)) ** 2
        y = np.where(late > LATE, late, y)
    return np.where(np.isinf(clock), np.inf, np.exp(y) / plane.kappa)


def half_turn_asymptote(plane: Plane, t: Float[Array, "*times"] | float) -> Float[Array, "*times"] | float:
    """Loss (m / t)^(1/2) / (2 kappa) that the half turn has at late times, whatever the start; infinite at t = 0.

    Raises:
        InvalidArgument: a negative or NaN time.
    """
    with np.errstate(divide="ignore"):
        return np.sqrt(plane.m) / np.sqrt(times(t)) / (2 * plane.kappa)


def rate(plane: Plane, phi: Float[Array, "*shape"] | float) -> Float[Array, "*shape"] | float:
    """Rate 4 m kappa^2 cos^4(phi / 2) at which a approaches the a of a target turned by phi; 0 at pi.

    Raises:
        InvalidArgument: an angle that is not finite.
    """
    return 4 * plane.m * plane.kappa * plane.kappa * np.cos(entries_inside("phi", phi) / 2) ** 4


def exponential_solution(
    plane: Plane, phi: float, theta: Float[Array, "*runs"] | float, t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs"] | float:
    """theta(t) of R = exp(A) instead, shape (*times, *runs): tan((theta - phi) / 2) decays at rate m for any phi.

    Angles are continuous, theta ends at the nearest of phi's whole turns, and half a turn from phi it rests.

    >>> exponential_solution(Plane(m=1.4), np.pi, 0.5, np.array([0.0, 1.0, np.inf])).round(3)
    array([0.5  , 1.606, 3.142])

    Raises:
        InvalidArgument: a negative or NaN time, an angle that is not finite.
    """
    away = entries_inside("theta", theta) - inside("phi", phi, -np.inf, np.inf, "()")
    return phi + turned_back(away, np.exp(-plane.m * times(t)[(..., *[None] * away.ndim)]))


def _require_start(b: Array) -> None:
    inside("min kappa start", float(np.min(b)), 0, LARGEST_START, "(]")
    inside("max kappa start", float(np.max(b)), 0, LARGEST_START, "(]")


def _clock(b: Array | float) -> Array | float:
    """F(b) = ln b + b^2 + b^4 / 4, the antiderivative of (1 + b^2)^2 / b."""
    with np.errstate(over="ignore"):
        square = np.multiply(b, b)
        return np.log(b) + square + square * square / 4
