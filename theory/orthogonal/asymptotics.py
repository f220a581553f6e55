"""Many neurons: where a random start has asymptotically the least energy (s < d - 1), where not, and its spectrum."""

from functools import cache

import numpy as np
from jaxtyping import Float
from scipy import integrate, stats
from scipy.special import gammaln

from theory.core.arrays import Array
from theory.core.validation import inside, positive, positive_integer
from theory.orthogonal.energy import mean_of_pair
from theory.orthogonal.gamma import log_quotient

TRACY_WIDOM_MEAN = -1.2065335745820  # of the law for real matrices, beta = 1


def asymptotically_minimal(d: int, s: float | int) -> bool:
    """Whether E[E_s] / min E_s -> 1 as N grows at fixed d: exactly for s < d - 1, where mu_s is finite."""
    return bool(np.isfinite(mean_of_pair(d, s)))


def smeared_potential(r: float) -> float:
    """Mean 1 - r / 4 of the potential 1 / |x| of a uniform unit charge on the unit sphere.

    The mean is over a sphere of radius r about one of its points.

    Raises:
        InvalidArgument: r outside [0, 2].
    """
    return 1 - inside("r", r, 0, 2) / 4


def least_energy_bound(N: int, r: float) -> float:
    """No N points of the unit sphere of R^3 have an E_1 below N^2 (2 potential(r) - 1) - N / r, whatever r is.

    Smear each point's charge over a sphere of radius r and add the charge -N, uniform on the unit sphere: the field has
    an energy of at least 0, of which the charges' own part is N / r; smearing lowers what they feel of each other.
    """
    return positive_integer("N", N) ** 2 * (2 * smeared_potential(r) - 1) - N / positive("r", r)


def least_energy_best_bound(N: int) -> float:
    """The bound at its best r = sqrt(2 / N): N^2 - sqrt(2) N^(3/2), whose ratio to E[E_1] = N (N - 1) tends to 1."""
    return float(positive_integer("N", N) ** 2 - np.sqrt(2) * N**1.5)


def close_pairs(d: int) -> float:
    """kappa of P(|x - y| < z) ~ kappa z^(d-1) for random directions: Gamma(d/2) / (sqrt(pi) (d-1) Gamma((d-1)/2))."""
    inside("d", positive_integer("d", d), 2, np.inf, "[)")
    return float(np.exp(-log_quotient(d / 2, 0.5)) / (np.sqrt(np.pi) * (d - 1)))


@cache
def close_triples(d: int) -> float:
    r"""tau of -log E e^(-y E_s) ~ ... + y tau N (N-1) (N-2), what three close neurons add at s = 2 (d - 1).

    Pairs of random directions are independent, so that the first term in which neurons meet again is a triangle's,
    N^3 / 6 times the mean of f f f over its sides, f(r) = e^(-2 y r^(-2m)) - 1 in the tangent space R^m, m = d - 1.
    With its shortest side r along the first axis, and the others r |x| and r |x - e|, the integral over r is one of
    sum_k a_k e^(-y S_k / r^(2m)), which is y sum_k a_k S_k log S_k / 2m: S_k twice a sum over some of 1,
    b = |x|^(-2m), c = |x - e|^(-2m). What is left is an integral over the shapes x.

    Raises:
        InvalidArgument: d outside 3 ... 100, where the integral is known to all digits asked for.
    """
    inside("d", positive_integer("d", d), 3, 100)
    m = d - 1

    def shape(angle: float, side: float) -> float:
        """Density of |x - e| = `side` at that angle to the first axis; the seven terms cancel, and are paired."""
        log_b, log_c = -m * np.log1p(side * (side + 2 * np.cos(angle))), -2 * m * np.log(side)
        b, c, volume = np.exp(log_b), np.exp(log_c), (m - 1) * np.log(side)
        alone = np.exp(volume + log_b) * np.logaddexp(0, log_c - log_b)
        alone += np.exp(volume + log_c) * np.logaddexp(0, log_b - log_c)
        third = np.log1p(-b * c / (1 + b) / (1 + c)) + b * np.log1p(c / (1 + b)) + c * np.log1p(b / (1 + c))
        return float(2 * np.sin(angle) ** (m - 2) * ((third * np.exp(volume) if third else 0.0) - alone))

    whole = integrate.dblquad(shape, 1, np.inf, 0, lambda side: np.arccos(-1 / (2 * side)), epsabs=1e-10)[0]
    # The shortest is any of three sides, the second shortest one of two.
    triangles = 6 * _sphere(m) * _sphere(m - 1) * whole / (2 * m)
    return float(-triangles / (6 * _sphere(d) ** 2))


def heavy_tailed_energy(N: int, d: int) -> stats.distributions.rv_frozen:
    """Law of E_s at a random start for s = 2 (d - 1), large N: Levy's, without a mean, of scale pi (n kappa)^2.

    The close pairs decide: of the n = N (N - 1) / 2 of them, n kappa y^(-1/2) have an f_s above y. Close triples shift
    it by tau N (N - 1) (N - 2), which is 1 / N of the scale; what is left is 1 / N^2 of it.

    Raises:
        InvalidArgument: fewer than 2 neurons, which have no pair, or d below 3.
    """
    inside("N", positive_integer("N", N), 2, np.inf, "[)")
    n = N * (N - 1) / 2
    return stats.levy(loc=2 * n * (N - 2) * close_triples(d), scale=np.pi * (n * close_pairs(d)) ** 2)


def spectral_moments(N: int, d: float | int) -> Float[Array, " three"]:
    """Exact means of tr G^k, k = 1, 2, 3, where G are the cosines of N random directions in R^d."""
    pairs = positive_integer("N", N) * (N - 1) / positive("d", d)
    return np.array([N, N + pairs, N + 3 * pairs + pairs * (N - 2) / d])


def spectral_edges(ratio: float) -> Float[Array, " two"]:
    """Between 1 -+ sqrt(ratio) lie the singular values of N normalised neurons as N, d -> infinity, N / d -> ratio < 1.

    Raises:
        InvalidArgument: a ratio outside (0, 1).
    """
    inside("ratio", ratio, 0, 1, "()")
    return np.array([(1 - ratio) / (1 + np.sqrt(ratio)), 1 + np.sqrt(ratio)])


def soft_edges(N: int, d: int) -> Float[Array, " two"]:
    """Mean smallest and largest singular value of N normalised neurons, N < d, up to terms that fall like 1 / d.

    Their squares lie Tracy and Widom's mean (1996) times Johnstone's scale (2001) inside of the squared edges:
    (sqrt d -+ sqrt N) |1 / sqrt N -+ 1 / sqrt d|^(1/3) / d.
    """
    edges, sides = spectral_edges(positive_integer("N", N) / positive_integer("d", d)), np.array([-1, 1])
    gaps = np.sqrt(d) * edges  # sqrt d -+ sqrt N
    scale = gaps * (gaps / np.sqrt(N) / np.sqrt(d)) ** (1 / 3) / d
    return np.sqrt(edges**2 + sides * scale * TRACY_WIDOM_MEAN)


def _sphere(m: int) -> float:
    """Area of the unit sphere of R^m: 2 pi^(m/2) / Gamma(m/2)."""
    return float(2 * np.pi ** (m / 2) / np.exp(gammaln(m / 2)))
