"""Many neurons: where a random start has asymptotically the least energy (s < d - 1), where not, and its spectrum."""

import numpy as np
from jaxtyping import Float
from scipy import stats
from scipy.special import gammaln

from theory.core.arrays import Array
from theory.core.validation import inside, positive, positive_integer
from theory.orthogonal.energy import mean_of_pair


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
    return float(np.exp(gammaln(d / 2) - gammaln((d - 1) / 2)) / (np.sqrt(np.pi) * (d - 1)))


def heavy_tailed_energy(N: int, d: int) -> stats.distributions.rv_frozen:
    """Law of E_s at a random start for s = 2 (d - 1), large N: Levy's, without a mean, of scale pi (n kappa)^2.

    The close pairs decide: of the n = N (N - 1) / 2 of them, n kappa y^(-1/2) have an f_s above y.
    """
    n = positive_integer("N", N) * (N - 1) / 2
    return stats.levy(scale=np.pi * (n * close_pairs(d)) ** 2)


def spectral_moments(N: int, d: int) -> Float[Array, " three"]:
    """Exact means of tr G^k, k = 1, 2, 3, where G are the cosines of N random directions in R^d."""
    pairs = N * (N - 1) / d
    return np.array([N, N + pairs, N + 3 * pairs + pairs * (N - 2) / d])


def spectral_edges(ratio: float) -> Float[Array, " two"]:
    """Between 1 -+ sqrt(ratio) lie the singular values of N normalised neurons as N, d -> infinity, N / d -> ratio < 1.

    Raises:
        InvalidArgument: a ratio outside (0, 1).
    """
    inside("ratio", ratio, 0, 1, "()")
    return 1 + np.array([-1, 1]) * np.sqrt(ratio)
