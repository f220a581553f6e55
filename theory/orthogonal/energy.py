"""Hyperspherical energy: exact mean and variance at a random start, exact minima where they are known."""

import numpy as np
from jaxtyping import Float
from scipy.special import polygamma, psi

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, inside, positive_integer, reject
from theory.orthogonal.gamma import excess, second_difference

NEAR = 1e-3  # squared distance below which cosines have lost three digits of it


def kernel(squared_distance: Array | float, s: float | int) -> Array:
    """The pair energy f_s(z) = z^-s, -log z at s = 0, as a function of z^2; infinite at z = 0.

    Raises:
        InvalidArgument: s or a squared distance negative or not finite.
    """
    _exponent(s)
    z2 = entries_inside("squared_distance", squared_distance, 0, np.inf, "[)")
    with np.errstate(divide="ignore", over="ignore"):
        return -np.log(z2) / 2 if s == 0 else z2 ** (-s / 2)


def cosines(W: Float[Array, "*runs d N"]) -> Float[Array, "*runs N N"]:
    """Cosines of the angles between neurons, the columns of W; nothing else enters the energy.

    Raises:
        InvalidArgument: a neuron that is 0 and has no direction, or is not finite.
    """
    directions = _directions(W)
    return directions.mT @ directions


def energy(W: Float[Array, "*runs d N"], s: float | int) -> Float[Array, "*runs"]:
    """E_s = sum over i != j of f_s(|w_i / |w_i| - w_j / |w_j||), neurons the columns of W.

    Neurons that are parallel to rounding count as one point, and their energy is infinite.

    Raises:
        InvalidArgument: s negative, a neuron that is 0.
    """
    _exponent(s)
    return 2 * kernel(_squared_distances(W), s).sum(-1)


def half_space_energy(W: Float[Array, "*runs d N"], s: float | int) -> Float[Array, "*runs"]:
    """E_s of the neurons together with their negatives, 2 N points in all."""
    return energy(np.concatenate([W, -W], axis=-1), s)


def mean_of_pair(d: int, s: float | int) -> float:
    r"""mu_s(d) = E f_s(|x - y|), x and y independent and uniform on the unit sphere of R^d; infinite from s = d - 1 on.

    |x - y|^2 = 4 u with u ~ Beta((d - 1)/2, (d - 1)/2), so
    mu_s = 2^(d-2-s) Gamma(d/2) Gamma((d-1-s)/2) / (sqrt(pi) Gamma(d-1-s/2))
         = 2^-s Gamma(b-s/2) Gamma(2b) / (Gamma(b) Gamma(2b-s/2)), b = (d-1)/2, and
    mu_0 = -log 2 - (psi((d-1)/2) - psi(d-1)) / 2. It is also the energy integral of the uniform measure.

    Raises:
        InvalidArgument: d below 2 or s negative.
    """
    _dimension(d)
    _exponent(s)
    if s == 0:
        return float(-np.log(2) - (psi((d - 1) / 2) - psi(d - 1)) / 2)
    if s >= d - 1:
        return float(np.inf)
    b = (d - 1) / 2
    with np.errstate(over="ignore", under="ignore"):
        return float(np.exp(excess(b, s / 2) - excess(2 * b, s / 2) - s / 2 * np.log(2)))


def mean_energy(N: int, d: int, s: float | int) -> float:
    """E[E_s] = N (N - 1) mu_s, for every N: neurons independent, their directions uniform (zero-mean Gaussian, say)."""
    return _of_pairs(N, mean_of_pair(d, s))


def variance_of_pair(d: int, s: float | int) -> float:
    """Var f_s(|x - y|) = mu_2s - mu_s^2, infinite from 2 s = d - 1 on; at s = 0 (psi'((d-1)/2) - psi'(d-1)) / 4.

    The two means agree in ever more digits as s falls or d grows, so that mu_s^2 / mu_2s - 1 is made from a logarithm.
    """
    _dimension(d)
    _exponent(s)
    if s == 0:
        return float(polygamma(1, (d - 1) / 2) - polygamma(1, d - 1)) / 4
    if 2 * s >= d - 1:
        return float(np.inf)
    spread = second_difference((d - 1) / 2, s / 2) - second_difference(d - 1, s / 2)
    return -mean_of_pair(d, 2 * s) * float(np.expm1(-spread))


def variance_energy(N: int, d: int, s: float | int) -> float:
    """Var E_s = 2 N (N - 1) Var f_s exactly: the cosines are dependent, but independent in pairs."""
    return 2 * _of_pairs(N, variance_of_pair(d, s))


def simplex_energy(N: int, s: float | int) -> float:
    """N (N - 1) f_s(sqrt(2 N / (N - 1))): no N directions have less, by Jensen's inequality (sum of cosines >= -N);
    a regular simplex has it, which needs N <= d + 1.

    Raises:
        InvalidArgument: fewer than 2 neurons, s negative.
    """
    _exponent(s)
    if positive_integer("N", N) < 2:
        reject("N", N, "at least 2 neurons")
    return float(N * (N - 1) * kernel(2 * N / (N - 1), s))


def cross_polytope_energy(d: int, s: float | int) -> float:
    """E_s of d orthogonal axes and their negatives, N = 2 d points: N [(N - 2) 2^(-s/2) + 2^-s]."""
    _exponent(s)
    N = 2 * positive_integer("d", d)
    return float(N * ((N - 2) * kernel(2, s) + kernel(4, s)))


def polygon_energy(N: int, s: float | int) -> float:
    """E_s of a regular N-gon, d = 2: N sum_k f_s(2 sin(pi k / N)), which at s = 0 is -N log N."""
    _exponent(s)
    k = np.arange(1, positive_integer("N", N))
    return float(N * kernel(4 * np.sin(np.pi * np.minimum(k, N - k) / N) ** 2, s).sum())


def minimum(N: int, d: int, s: float | int) -> float:
    """The least E_s of N directions in R^d, where it is known: N <= d + 1, N = 2 d, or d = 2; 0 of one alone.

    Raises:
        InvalidArgument: another N.
    """
    _dimension(d)
    _exponent(s)
    if positive_integer("N", N) == 1:
        return 0.0
    if d == 2:
        return polygon_energy(N, s)
    if N <= d + 1:
        return simplex_energy(N, s)
    if N == 2 * d:
        return cross_polytope_energy(d, s)
    return reject("N", N, f"at most {d + 1}, or {2 * d}, for a minimum that is known at d = {d}")


def half_space_minimum(N: int, d: int, s: float | int) -> float:
    """The least half-space energy, 4 N (N - 1) f(sqrt 2) + 2 N f(2), of an orthonormal frame; N <= d.

    f(sqrt(2 - 2 t)) + f(sqrt(2 + 2 t)) is even and convex in the cosine t, hence least at t = 0.

    Raises:
        InvalidArgument: N above d.
    """
    _exponent(s)
    inside("N", positive_integer("N", N), 1, d)
    return float(4 * N * (N - 1) * kernel(2, s) + 2 * N * kernel(4, s))


def _directions(W: Array) -> Array:
    size = np.abs(W).max(-2, keepdims=True)
    inside("greatest weight of a neuron", float(size.min()), 0, np.inf, "()")
    inside("greatest weight of a neuron", float(size.max()), 0, np.inf, "()")
    return W / size / np.linalg.norm(W / size, axis=-2, keepdims=True)


def _squared_distances(W: Array) -> Array:
    """|w_i - w_j|^2 of the directions of all pairs, from cosines, and where those round too much from differences."""
    first, second = np.triu_indices(W.shape[-1], 1)
    squares = 2 - 2 * cosines(W)[..., first, second]
    *runs, near = np.nonzero(squares < NEAR)
    points = np.moveaxis(_directions(W), -1, -2)
    one, other = points[(*runs, first[near])], points[(*runs, second[near])]
    apart = np.where(np.abs(one - other) <= 8 * EPS * np.abs(one), 0.0, one - other)
    squares[(*runs, near)] = (apart**2).sum(-1)
    return squares


def _of_pairs(N: int, each: float) -> float:
    """N (N - 1) times what each ordered pair has: nothing, be it infinite, where there is no pair."""
    pairs = positive_integer("N", N) * (N - 1)
    return pairs * each if pairs else 0.0


def _dimension(d: int) -> None:
    inside("d", positive_integer("d", d), 2, np.inf, "[)")


def _exponent(s: float | int) -> None:
    inside("s", s, 0, np.inf, "[)")
