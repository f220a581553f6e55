"""The Rayleigh quotient on the unit sphere, L(x) = -x^T A x / 2: the flow x' = (I - x x^T) A x turns to the largest
eigenvector."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, finite_matrix, inside, reject, times
from theory.manifolds.steps import TINY, normaliser, sine

MOST_STEPS = 10**6


@dataclass(frozen=True)
class Rayleigh:
    """A (d, d) symmetric, its largest eigenvalue simple.

    Raises:
        InvalidArgument: A is not such a matrix.
    """

    A: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "A", A := _symmetric(self.A))
        if len(A) > 1:
            require_gap("gap between the two largest eigenvalues of A", self.rates[0], np.linalg.eigvalsh(A))

    @property
    def optimum(self) -> Float[Array, " d"]:
        """The largest eigenvector, up to its sign."""
        return np.linalg.eigh(self.A)[1][:, -1]

    @property
    def modes(self) -> Float[Array, "d modes"]:
        """The other eigenvectors, by falling eigenvalue."""
        return np.linalg.eigh(self.A)[1][:, -2::-1]

    @property
    def rates(self) -> Float[Array, " modes"]:
        """Riemannian Hessian at the optimum: l_1 - l_i, i = 2 ... d, along `modes`."""
        l = np.linalg.eigvalsh(self.A)[::-1]
        return l[0] - l[1:]


def solution(
    problem: Rayleigh, x0: Float[Array, "*runs d"], t: Float[Array, "*times"] | float
) -> Float[Array, "*batch"]:
    """x(t) = e^(At) x0 / |e^(At) x0|, shape (*times, *runs, d); t = inf gives the limit.

    A start orthogonal to the optimum stays so, and ends in the largest eigenvalue that it has a part of.

    >>> problem, t = Rayleigh(np.diag([np.log(2), 0.0])), np.array([0.0, 2.0, np.inf])
    >>> solution(problem, np.array([3.0, 4.0]), t).round(3).tolist()
    [[0.6, 0.8], [0.949, 0.316], [1.0, 0.0]]

    Raises:
        InvalidArgument: a start that is 0; a negative or NaN time.
    """
    return unit(turned(problem.A, unit(x0), t))


def turned(
    A: Float[Array, "d d"], x: Float[Array, "*runs d"], t: Float[Array, "*times"] | float
) -> Float[Array, "*batch"]:
    """e^(At) x, A symmetric, up to a positive factor of each, which keeps it finite, shape (*times, *runs, d).

    Parts of x and gaps between eigenvalues that are within rounding of 0 are 0. An entry 0 of an eigenvector is taken
    for exact, so that in the eigenbasis itself a part may be as small as it likes.

    Raises:
        InvalidArgument: a time that is negative or NaN; A or x is not finite, or A not symmetric.
    """
    l, V = np.linalg.eigh(_symmetric(A))
    z, t = entries_inside("x", x) @ V, times(t)[(..., *[None] * np.ndim(x))]
    z = np.where(np.abs(z) <= 4 * len(l) * EPS * (np.abs(x) @ (V != 0)), 0.0, z)
    gap = np.where(z == 0, -np.inf, l).max(-1, keepdims=True) - l
    stays = gap <= _rounding(l)
    with np.errstate(invalid="ignore"):  # 0 * inf in what stays
        return np.where(stays, 1.0, np.exp(-np.where(stays, 0.0, gap) * t)) * z @ V.T


def unit(x: Float[Array, "*runs d"]) -> Float[Array, "*runs d"]:
    """x / |x|, however large or small.

    Raises:
        InvalidArgument: a vector that is 0 or not finite.
    """
    size = np.abs(x).max(-1, keepdims=True)
    inside("greatest entry of a vector", float(size.min()), 0, np.inf, "()")
    inside("greatest entry of a vector", float(size.max()), 0, np.inf, "()")
    return x / size / np.linalg.norm(x / size, axis=-1, keepdims=True)


def require_gap(name: str, gap: float, spectrum: Float[Array, " d"]) -> None:
    """Refuse a gap that is no more than what rounding makes of equal values."""
    if not gap > _rounding(spectrum):
        reject(name, gap, f"more than {_rounding(spectrum):.1g}, which is rounding")


def _symmetric(A: Array) -> Array:
    A = finite_matrix("A", A, columns=len(np.atleast_1d(A)))
    if not np.allclose(A, A.T, rtol=0, atol=1e-12 * np.abs(A).max()):
        reject("A", "a matrix that differs from its transpose", "a symmetric matrix")
    return A


def _rounding(spectrum: Array) -> float:
    return float(4 * len(spectrum) * EPS * np.abs(spectrum).max())


def _lost(x: float) -> float:
    """1 - sin(x) / x, to all its digits."""
    if x > 1:
        return float(1 - np.sin(x) / x)
    rest = 1.0
    for k in range(18, 3, -2):
        rest = 1 - x**2 / (k * (k + 1)) * rest
    return x**2 / 6 * rest


def circle_angles(theta: Float[Array, "*runs"], h: float, steps: Float[Array, " steps"]) -> Float[Array, "*batch"]:
    """On the circle, every step g of the exponential map: theta <- theta - (g h / 2) sin 2 theta, theta the angle to
    the optimum, h the only rate. Shape (steps + 1, *runs).

    Raises:
        InvalidArgument: angles that do not stay finite.
    """
    angles = [np.asarray(theta, dtype=float)]
    for g in steps:
        angles.append(angles[-1] - g * h / 2 * sine(2 * angles[-1]))
    return entries_inside("theta", angles)


def alignment(theta: Float[Array, "*runs"], h: float) -> Float[Array, "*runs"]:
    """<log_x x*, grad L> = -theta (h / 2) sin 2 theta, |theta| <= pi / 2: the convergence theorem wants it below 0, but
    it vanishes at theta = pi / 2, where L is greatest.

    Raises:
        InvalidArgument: an angle beyond pi / 2, or an inner product that is not finite.
    """
    inside("max |theta|", float(np.abs(theta).max()), 0, np.pi / 2)
    return entries_inside("<log, grad>", -theta * h / 2 * sine(2 * theta))


def fine_grained_angles(
    theta: Float[Array, "*runs"], h: float, steps: Float[Array, " steps"], rho: float, c: float
) -> Float[Array, "*batch"]:
    """The same under the normalised step, R = |(h / 2) sin 2 theta|. Shape (steps + 1, *runs). Raises as it."""
    angles = [np.asarray(theta, dtype=float)]
    for g in steps:
        gradient = h / 2 * sine(2 * angles[-1])
        angles.append(angles[-1] - g * gradient / normaliser(np.abs(gradient), rho, c))
    return entries_inside("theta", angles)


def cycle_angle(strength: float) -> float:
    """Angle of the cycle +theta, -theta of a constant step, strength = g h > 2: sin 2 theta / (2 theta) = 2 / (g h).

    Raises:
        InvalidArgument: g h is not above 2, where the optimum itself attracts.
    """
    inside("g h", strength, 2, np.inf, "()")
    return float(brentq(lambda x: (strength - 2) / strength - _lost(x), 0, 4, xtol=TINY)) / 2


def steps_to_leave(beta: Float[Array, "*runs"], strength: float) -> Int[Array, "*runs"]:
    """Steps after which the angle beta = pi / 2 - theta to the saddle has grown to pi / 4, strength = g h.

    It grows by 1 + g h a step while it is small: about ln(1 / beta) / ln(1 + g h) steps, and never by less than
    1 + 2 g h / pi.

    Raises:
        InvalidArgument: an angle or a strength not above 0, from where nothing leaves, or more than a million steps.
    """
    inside("min beta", np.min(beta), 0, np.inf, "(]")
    inside("g h", strength, 0, np.inf, "(]")
    inside("number of steps", np.log(np.pi / 4 / np.min(beta)) / np.log1p(2 * strength / np.pi), -np.inf, MOST_STEPS)
    beta, steps = np.array(beta, dtype=float), np.zeros(np.shape(beta), dtype=int)
    while (near := beta < np.pi / 4).any():
        steps += near
        beta = np.where(near, beta + strength / 2 * np.sin(2 * beta), beta)
    return steps
