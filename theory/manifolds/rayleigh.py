"""The Rayleigh quotient on the unit sphere, L(x) = -x^T A x / 2: the flow x' = (I - x x^T) A x turns to the largest
eigenvector."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq

from theory.core.arrays import Array
from theory.core.validation import finite_matrix, inside, positive, reject, times
from theory.manifolds.steps import normaliser


@dataclass(frozen=True)
class Rayleigh:
    """A (d, d) symmetric, its largest eigenvalue simple.

    Raises:
        InvalidArgument: A is not such a matrix.
    """

    A: Array

    def __post_init__(self) -> None:
        A = finite_matrix("A", self.A, columns=len(np.atleast_1d(self.A)))
        object.__setattr__(self, "A", A)
        if not np.allclose(A, A.T, rtol=0, atol=1e-12 * np.abs(A).max()):
            reject("A", "a matrix that differs from its transpose", "a symmetric matrix")
        if len(A) > 1:
            positive("gap between the two largest eigenvalues of A", self.rates[0])

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

    >>> problem, t = Rayleigh(np.diag([np.log(2), 0.0])), np.array([0.0, 2.0, np.inf])
    >>> solution(problem, np.array([3.0, 4.0]), t).round(3).tolist()
    [[0.6, 0.8], [0.949, 0.316], [1.0, 0.0]]
    """
    l, V = np.linalg.eigh(problem.A)
    x = (relative_growth(l, t, np.ndim(x0)) * (x0 @ V)) @ V.T
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def relative_growth(l: Float[Array, " d"], t: Float[Array, "*times"] | float, ndim: int) -> Float[Array, "*batch"]:
    """e^((l - l_max) t), l ascending, shaped to multiply (*times, *runs, d) with (*runs, d) of `ndim` dimensions.

    Raises:
        InvalidArgument: a time that is negative or NaN.
    """
    t = times(t)
    with np.errstate(invalid="ignore"):  # 0 * inf where l is the largest
        decay = np.where(l == l[-1], 1.0, np.exp((l - l[-1]) * t[..., None]))
    return decay.reshape(*t.shape, *[1] * (ndim - 1), -1)


def circle_angles(theta: Float[Array, "*runs"], h: float, steps: Float[Array, " steps"]) -> Float[Array, "*batch"]:
    """On the circle, every step g of the exponential map: theta <- theta - (g h / 2) sin 2 theta, theta the angle to
    the optimum, h the only rate. Shape (steps + 1, *runs)."""
    angles = [np.asarray(theta, dtype=float)]
    for g in steps:
        angles.append(angles[-1] - g * h / 2 * np.sin(2 * angles[-1]))
    return np.stack(angles)


def alignment(theta: Float[Array, "*runs"], h: float) -> Float[Array, "*runs"]:
    """<log_x x*, grad L> = -theta (h / 2) sin 2 theta, |theta| <= pi / 2: the convergence theorem wants it below 0, but
    it vanishes at theta = pi / 2, where L is greatest."""
    inside("max |theta|", float(np.abs(theta).max()), 0, np.pi / 2)
    return -theta * h / 2 * np.sin(2 * theta)


def fine_grained_angles(
    theta: Float[Array, "*runs"], h: float, steps: Float[Array, " steps"], rho: float, c: float
) -> Float[Array, "*batch"]:
    """The same under the normalised step, R = |(h / 2) sin 2 theta|. Shape (steps + 1, *runs)."""
    angles = [np.asarray(theta, dtype=float)]
    for g in steps:
        gradient = h / 2 * np.sin(2 * angles[-1])
        angles.append(angles[-1] - g * gradient / normaliser(np.abs(gradient), rho, c))
    return np.stack(angles)


def cycle_angle(strength: float) -> float:
    """Angle of the cycle +theta, -theta of a constant step, strength = g h > 2: sin 2 theta / (2 theta) = 2 / (g h).

    Raises:
        InvalidArgument: g h is not above 2, where the optimum itself attracts.
    """
    inside("g h", strength, 2, np.inf, "()")
    return float(brentq(lambda x: np.sinc(x / np.pi) - 2 / strength, 1e-9, np.pi)) / 2


def steps_to_leave(beta: Float[Array, "*runs"], strength: float) -> Int[Array, "*runs"]:
    """Steps after which the angle beta = pi / 2 - theta to the saddle has grown to pi / 4, strength = g h.

    It grows by 1 + g h a step while it is small: about ln(1 / beta) / ln(1 + g h) steps.
    """
    beta, steps = np.array(beta, dtype=float), np.zeros(np.shape(beta), dtype=int)
    while (near := beta < np.pi / 4).any():
        steps += near
        beta = np.where(near, beta + strength / 2 * np.sin(2 * beta), beta)
    return steps
